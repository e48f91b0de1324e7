#include "sftp/keeper.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "base/secret.h"
#include "keys/challenge.h"
#include "sftp/drop.h"
#include "sftp/packet_socket.h"

namespace sftp {

using base::Result;

namespace {

constexpr std::int64_t kTickMs = 500;         // revocations by other processes are seen within 2 s
constexpr std::int64_t kQuietMs = 8;          // no message for this long: commit at once
constexpr std::int64_t kLongestWaitMs = 200;  // else share a commit for at most this long
constexpr std::int64_t kRetryMs = 1000;
constexpr std::int64_t kSeenMs = 60'000;     // so much of a connection's time a crash makes absence
constexpr std::size_t kMessagesAtOnce = 64;  // per session and turn, so that none starves the others
constexpr std::size_t kMostFiles = 1024;     // open files a session may have
constexpr std::size_t kMostNetworks = 10'000;
constexpr int kMostKeys = 64;  // a session counts as well, and ends before

Refusal refusal_of(vault::Entrance entrance) {
  switch (entrance) {
    case vault::Entrance::used: return Refusal::used;
    case vault::Entrance::expired: return Refusal::expired;
    case vault::Entrance::not_yet: return Refusal::not_yet;
    case vault::Entrance::revoked: return Refusal::revoked;
    case vault::Entrance::other_address: return Refusal::other_address;
    case vault::Entrance::too_many: return Refusal::too_many;
    case vault::Entrance::strict: return Refusal::strict;
    case vault::Entrance::claimed:
    case vault::Entrance::joined:
    case vault::Entrance::reading: break;
  }
  return Refusal::failed;
}

// For the audit log, of what is refused to the right password; empty: our own fault, which is logged as such.
std::string_view word_of(Refusal why) {
  switch (why) {
    case Refusal::used: return "used";
    case Refusal::expired: return "expired";
    case Refusal::not_yet: return "not-yet";
    case Refusal::revoked: return "revoked";
    case Refusal::other_address: return "other-address";
    case Refusal::too_many: return "too-many";
    case Refusal::strict: return "strict";
    default: return "";
  }
}

bool lets_in(vault::Entrance entrance) {
  return entrance == vault::Entrance::claimed || entrance == vault::Entrance::joined ||
         entrance == vault::Entrance::reading;
}

bool has_unread(const base::Fd& socket) {
  int bytes = 0;
  return ioctl(socket.get(), SIOCOUTQ, &bytes) != 0 || bytes > 0;
}

say::Terms dummy_terms(base::Seconds now) {
  return {vault::new_id('d'), "delivery", now - 3600, now + 7 * 86400, base::random_bytes(32), {}};
}

}  // namespace

ListenerSettings listener_settings(const base::Path& folder, const vault::Config& config) {
  ListenerSettings s;
  s.host_key = folder / vault::file::kHostKey;
  s.connections = static_cast<std::size_t>(config.connections_total);
  s.unauthenticated = static_cast<std::size_t>(config.unauthenticated_total);
  s.unauthenticated_per_address = static_cast<std::size_t>(config.unauthenticated_per_address);
  s.new_per_minute = config.connections_per_minute;
  s.burst = config.connections_burst;
  s.session.grace_ms = config.login_grace * 1000;
  s.session.idle_ms = config.connection_idle * 1000;
  s.session.tries = config.login_tries;
  s.session.failure_ms = config.login_failure * 1000;
  return s;
}

Keeper::Keeper(vault::Vault vault, base::Fd listener, base::Fd stop, base::Fd reload, base::ServiceManager manager)
    : vault_(std::move(vault)),
      listener_(std::move(listener)),
      stop_(std::move(stop)),
      reload_(std::move(reload)),
      manager_(std::move(manager)) {}

Result<void> Keeper::start() {
  if (auto r = vault::finish_erasures(vault_); !r) return r.error().at("finish what was begun");
  if (auto r = vault::finish_uploads(vault_); !r) return r.error().at("finish uploads");
  auto rows = vault_.catalog().claimed_accesses();
  if (!rows) return rows.error();
  for (const auto& row : *rows) {
    auto statement = vault::verified_access(vault_, row);
    if (!statement) {
      base::log_error(statement.error().what);
      continue;
    }
    auto claim = KeeperClaim::load(vault_, row, *statement);
    if (!claim) return claim.error();
    claim->broke_ms = base::monotonic_ms();  // whatever lines it had, they broke with the last daemon
    claims_.emplace(row.id, std::move(*claim));
  }
  trust_ = trust_file();
  // Nobody could connect while there was no daemon: that time is nobody's absence.
  return saw([](const KeeperClaim&) { return true; });
}

Result<void> Keeper::saw(const std::function<bool(const KeeperClaim&)>& which) {
  seen_ms_ = base::monotonic_ms();
  return vault_.catalog().change([&]() -> Result<void> {
    for (const auto& [id, claim] : claims_) {
      if (!which(claim)) continue;
      if (auto r = vault_.catalog().saw(id, vault_.clock().now()); !r) return r;
    }
    return {};
  });
}

int Keeper::run() {
  std::vector<pollfd> polls;
  manager_.ready();
  for (;;) {
    polls.clear();
    polls.push_back({stop_.get(), POLLIN, 0});
    polls.push_back({listener_.get(), POLLIN, 0});
    polls.push_back({reload_.get(), POLLIN, 0});
    for (const Session& s : sessions_) polls.push_back({s.socket.get(), POLLIN, 0});
    const int ready = ::poll(polls.data(), polls.size(), wait_ms());
    if (ready < 0 && errno != EINTR) {
      base::log_error("poll fails; the daemon ends");
      return 1;
    }
    if (ready > 0 && (polls[0].revents != 0)) break;
    if (ready > 0) {
      auto session = sessions_.begin();
      for (std::size_t i = 3; i < polls.size(); ++i, ++session) {
        if (polls[i].revents != 0) serve(*session);
      }
      if (polls[1].revents != 0) {
        if ((polls[1].revents & POLLIN) == 0) break;
        accept_session();
      }
      if (!listener_) break;
      if (polls[2].revents != 0) reload();
      sessions_.remove_if([](const Session& s) { return s.over; });
    }
    const std::int64_t now = base::monotonic_ms();
    for (auto& [id, claim] : claims_) claim.settle(now);
    if (delivered_pending() && pending_since_ms_ == 0) pending_since_ms_ = now;
    const bool due = pending_since_ms_ != 0 && (ready == 0 || now - pending_since_ms_ >= kLongestWaitMs);
    if (due && now >= retry_ms_) commit();
    if (now >= next_tick_ms_) tick();
    manager_.alive(now);
  }
  manager_.stopping();
  // The end: nothing is counted that was not proved, and what was proved is made durable.
  for (Session& s : sessions_) end_session(s);
  const bool by_signal = static_cast<bool>(listener_);
  commit();
  base::log_info(by_signal ? "stopped" : "the listener is gone; the daemon ends");
  return by_signal ? 0 : 1;
}

int Keeper::wait_ms() const {
  const std::int64_t now = base::monotonic_ms();
  std::int64_t until = next_tick_ms_;
  if (const auto alive = manager_.next_ms()) until = std::min(until, *alive);
  for (const auto& [id, claim] : claims_) {
    if (const auto due = claim.next_due()) until = std::min(until, *due);
  }
  if (pending_since_ms_ != 0) until = std::min(until, std::max(now + kQuietMs, retry_ms_));
  return static_cast<int>(std::clamp<std::int64_t>(until - now, 0, 60'000));
}

// The vault is opened anew beside the one that serves: what does not open changes nothing. Claims and sessions go on.
void Keeper::reload() {
  signalfd_siginfo signal;
  while (read(reload_.get(), &signal, sizeof signal) > 0) {
  }
  manager_.reloading();
  if (auto r = open_anew(); r) {
    base::log_info("settings were read again");
  } else {
    base::log_error(r.error().at("the settings stay as they were").what);
  }
  manager_.ready();
}

Result<void> Keeper::open_anew() {
  auto trust = trust_file();
  auto again = vault::Vault::open(vault_.folder(), vault_.clock(), vault_.files());
  if (!again) return again.error();
  vault_ = std::move(*again);
  trust_ = std::move(trust);
  seen_version_ = -1;     // counted by each connection to the catalogue on its own
  erase_pending_ = true;  // what did not verify under the keys of before
  (void)send_packet(listener_.get(), encode_limits(listener_settings(vault_.folder(), vault_.config())), Wait::no);
  return {};
}

// What a new role holder signs must verify at once, and no act succeeds under the roles of before.
bool Keeper::follow_roles() {
  const std::int64_t now = base::monotonic_ms();
  const auto newest = vault_.roster_is_newest();
  if (now < follow_ms_ || newest || newest.error().fault != base::Fault::busy) return false;
  auto r = open_anew();
  if (r) {
    base::log_info("roles were changed: recipients.note, version " + std::to_string(vault_.roster().version()));
  } else {
    follow_ms_ = now + kRetryMs;
    base::log_error(r.error().at("roles were changed, but the vault does not open").what);
  }
  return static_cast<bool>(r);
}

std::optional<base::FileInfo> Keeper::trust_file() const {
  const auto file = base::open_to_read(vault_.folder() / "trust.toml");
  const auto info = file ? base::info(file->get()) : Result<base::FileInfo>(file.error());
  return info ? std::optional(*info) : std::nullopt;
}

// What is signed by a new service key must verify here too. While its two files are being written the vault may not
// open: it is tried again.
void Keeper::follow_trust() {
  const std::int64_t now = base::monotonic_ms();
  if (now < follow_ms_ || trust_file() == trust_) return;
  if (auto r = open_anew(); r) {
    base::log_info("trust.toml was changed, and read again");
  } else {
    follow_ms_ = now + kRetryMs;
    base::log_error(r.error().at("trust.toml was changed, but the vault does not open").what);
  }
}

bool Keeper::delivered_pending() const {
  return erase_pending_ ||
         std::any_of(claims_.begin(), claims_.end(), [](const auto& c) { return c.second.has_delivered(); });
}

void Keeper::accept_session() {
  while (listener_) {
    auto packet = receive_packet(listener_.get(), 256, Wait::no);
    if (!packet) {
      listener_ = base::Fd();
      return;
    }
    if (!*packet) return;
    if (!(*packet)->object) {
      base::log_warning("a connection is refused: no descriptor is left");
      continue;
    }
    Session session;
    session.socket = std::move((*packet)->object);
    session.address = base::to_text((*packet)->bytes);
    session.began_ms = base::monotonic_ms();
    sessions_.push_back(std::move(session));
  }
}

void Keeper::serve(Session& session) {
  for (std::size_t i = 0; i < kMessagesAtOnce && !session.over; ++i) {
    auto packet = receive_packet(session.socket.get(), kMaxMessage, Wait::no);
    if (!packet) return end_session(session);
    if (!*packet) return;
    auto request = decode_ask((*packet)->bytes);
    if (!request || (*packet)->object) {
      base::log_warning("a session sent what is no message; it is ended");
      return end_session(session);
    }
    answer(session, *request);
    if (auto* piece = std::get_if<ask::Append>(&*request)) {  // sound of a call
      base::wipe(std::span(piece->data));
      base::wipe(std::span((*packet)->bytes));
    }
  }
}

void Keeper::say(Session& session, const Say& message, const base::Fd* object) {
  if (auto r = send_packet(session.socket.get(), encode(message), Wait::no, object); !r) end_session(session);
}

void Keeper::answer(Session& session, const Ask& request) {
  const bool before = session.claim == nullptr && !session.recorder;
  if (const auto* m = std::get_if<ask::Login>(&request); m != nullptr && before) return login(session, *m);
  if (const auto* m = std::get_if<ask::Answer>(&request); m != nullptr && before && !session.answers.empty())
    return check_answer(session, *m);
  if (const auto* m = std::get_if<ask::Key>(&request); m != nullptr && before) return key(session, *m);
  if (const auto* m = std::get_if<ask::End>(&request)) return end_session(session, m->orderly);
  if (session.recorder) return answer_recorder(session, request);
  if (before || std::holds_alternative<ask::Login>(request) || std::holds_alternative<ask::Answer>(request)) {
    base::log_warning("a session asked out of order; it is ended");
    return end_session(session);
  }
  KeeperClaim& claim = *session.claim;
  const std::int64_t now = base::monotonic_ms();
  if (const auto* m = std::get_if<ask::List>(&request)) {
    claim.active_ms = now;
    auto page = claim.entries(m->from);
    if (page) return say(session, *page);
    base::log_error(page.error().what);
    return say(session, say::Refused{Refusal::failed});
  }
  if (const auto* m = std::get_if<ask::Open>(&request)) return open_file(session, m->item);
  if (const auto* m = std::get_if<ask::Close>(&request)) return close_file(session, *m);
  if (const auto* m = std::get_if<ask::Book>(&request)) {
    const auto file = session.files.find(m->handle);
    if (file == session.files.end()) return end_session(session);
    if (claim.book(file->second.item, file->second.handle, *m)) store_coverage(claim);
    return;
  }
  if (const auto* m = std::get_if<ask::Remove>(&request)) {
    const auto refused = claim.remove(m->item);
    return refused ? say(session, say::Refused{*refused}) : say(session, say::Done{true});
  }
  base::log_warning("a session asked for what is a recorder's; it is ended");
  end_session(session);
}

// --- recorders -------------------------------------------------------------------------------------------------------

// Who has not the key learns nothing of the account; who has it and no signature yet, that it would do.
void Keeper::key(Session& session, const ask::Key& request) {
  if (session.keys++ >= kMostKeys) {
    base::log_warning("a session does not count its keys; it is ended");
    return end_session(session);
  }
  auto found = vault::recorder_with(vault_, request.account, request.key);
  if (!found) {
    base::log_error(found.error().what);
    return say(session, say::Refused{Refusal::failed});
  }
  if (!*found) return say(session, say::Refused{Refusal::wrong});
  if (!request.proved) return say(session, say::Accepted{});
  const auto connections = std::ranges::count_if(
      sessions_, [&](const Session& s) { return !s.over && s.recorder && s.recorder->name == (*found)->name; });
  if (connections >= vault_.config().drop_connections) {
    base::log_warning("recorder " + (*found)->name + ": one connection more than it may have is refused");
    return say(session, say::Refused{Refusal::too_many});
  }
  auto noted = vault_.audit().act([&] {
    return vault_.audit().note(
        {"recorder.joined", "recorder", {(*found)->name}, "{\"address\":\"" + session.address + "\"}"});
  });
  if (!noted) {
    base::log_error(noted.error().what);
    return say(session, say::Refused{Refusal::failed});
  }
  session.recorder = std::move(**found);
  say(session, say::Accepted{});
}

void Keeper::answer_recorder(Session& session, const Ask& request) {
  if (std::holds_alternative<ask::Upload>(request)) return begin_upload(session);
  std::optional<std::uint32_t> number;
  if (const auto* m = std::get_if<ask::Append>(&request)) number = m->upload;
  if (const auto* m = std::get_if<ask::Hold>(&request)) number = m->upload;
  if (const auto* m = std::get_if<ask::Drop>(&request)) number = m->upload;
  if (!number) return answer_name(session, request);
  const auto upload = session.uploads.find(*number);
  if (upload == session.uploads.end()) {
    base::log_warning("a recorder's session asked out of order; it is ended");
    return end_session(session);
  }
  if (const auto* m = std::get_if<ask::Append>(&request)) {
    const auto added = upload->second.add(vault_, m->data);
    if (added) return say(session, say::Accepted{});
    base::log_error(added.error().at("an upload").what);
    return say(session, say::Refused{Refusal::full});
  }
  auto taken = session.uploads.extract(upload);
  if (const auto* m = std::get_if<ask::Hold>(&request))
    return finish_upload(session, std::move(taken.mapped()), m->path);
  base::log_warning("recorder " + session.recorder->name + ": an upload that was not whole was dropped");
  taken.mapped().drop(vault_);
  say(session, say::Accepted{});
}

void Keeper::answer_name(Session& session, const Ask& request) {
  Brought& brought = brought_[session.recorder->name];
  if (const auto* m = std::get_if<ask::Look>(&request)) {
    const auto size = brought.sizes.find(m->path);
    if (size == brought.sizes.end()) return say(session, say::Refused{Refusal::not_found});
    return say(session, say::Known{size->second});
  }
  const auto* move = std::get_if<ask::Move>(&request);
  const auto* forget = std::get_if<ask::Forget>(&request);
  if (move == nullptr && forget == nullptr) {
    base::log_warning("a recorder's session asked out of order; it is ended");
    return end_session(session);
  }
  auto waiting = brought.waiting.find(move != nullptr ? move->from : forget->path);
  if (waiting == brought.waiting.end()) return say(session, say::Refused{Refusal::not_found});
  if (move != nullptr && brought.waiting.contains(move->to)) return say(session, say::Refused{Refusal::not_allowed});
  auto taken = brought.waiting.extract(waiting);
  brought.sizes.erase(taken.key());
  if (move != nullptr) return finish_upload(session, std::move(taken.mapped()), move->to);
  taken.mapped().drop(vault_);
  say(session, say::Accepted{});
}

void Keeper::begin_upload(Session& session) {
  const vault::Config& config = vault_.config();
  std::size_t all = 0;
  for (const Session& s : sessions_) all += s.uploads.size();
  for (const auto& [name, brought] : brought_) all += brought.waiting.size();
  const std::size_t waiting = brought_[session.recorder->name].waiting.size();
  if (session.uploads.size() + waiting >= static_cast<std::size_t>(config.drop_uploads) ||
      all >= static_cast<std::size_t>(config.drop_uploads_total))
    return say(session, say::Refused{Refusal::full});
  if (auto r = vault::still_takes(vault_, *session.recorder); !r) {
    base::log_error(r.error().at("an upload").what);
    return say(session, say::Refused{r.error().fault == base::Fault::denied ? Refusal::not_allowed : Refusal::failed});
  }
  auto begun = vault::Upload::begin(vault_);
  if (!begun) {
    base::log_error(begun.error().at("an upload").what);
    return say(session, say::Refused{begun.error().fault == base::Fault::busy ? Refusal::full : Refusal::failed});
  }
  const std::uint32_t number = session.next_upload++;
  session.uploads.emplace(number, std::move(*begun));
  say(session, say::Uploading{number});
}

void Keeper::finish_upload(Session& session, vault::Upload upload, const std::string& path) {
  Brought& brought = brought_[session.recorder->name];
  const std::uint64_t size = upload.size();
  if (waits_for_rename(path)) {
    // Begun anew over another connection: the later one counts.
    if (const auto earlier = brought.waiting.find(path); earlier != brought.waiting.end()) earlier->second.drop(vault_);
    brought.waiting.insert_or_assign(path, std::move(upload));
    brought.sizes[path] = size;
    return say(session, say::Accepted{});
  }
  follow_roles();
  const auto held = upload.hold(vault_, *session.recorder, path);
  if (!held) {
    upload.drop(vault_);
    base::log_error(held.error().at("an upload").what);
    return say(session,
               say::Refused{held.error().fault == base::Fault::denied ? Refusal::not_allowed : Refusal::failed});
  }
  seen_version_ = -1;  // a standing log-in may have taken it in; our own changes do not count as such
  brought.sizes[path] = size;
  brought.held.push_back(path);
  if (brought.held.size() > Drop::kMostNames) {
    brought.sizes.erase(brought.held.front());
    brought.held.pop_front();
  }
  say(session, say::Accepted{});
}

// Its last connection is over.
void Keeper::forget_recorder(const std::string& name) {
  const bool there = std::ranges::any_of(
      sessions_, [&](const Session& s) { return !s.over && s.recorder && s.recorder->name == name; });
  const auto brought = there ? brought_.end() : brought_.find(name);
  if (brought == brought_.end()) return;
  for (auto& [path, upload] : brought->second.waiting) upload.drop(vault_);
  brought_.erase(brought);
}

void Keeper::cut_recorders() {
  for (Session& s : sessions_) {
    if (s.over || !s.recorder) continue;
    const auto takes = vault::still_takes(vault_, *s.recorder);
    if (takes || takes.error().fault != base::Fault::denied) continue;
    say(s, say::Cut{Refusal::revoked});
    end_session(s);
  }
}

// --- log-in ----------------------------------------------------------------------------------------------------------

void Keeper::login(Session& session, const ask::Login& request) {
  if (session.logins++ >= vault_.config().login_tries) {
    base::log_warning("a session does not count its log-ins; it is ended");
    return end_session(session);
  }
  session.refused = false;
  follow_roles();
  auto found = vault::candidates(vault_, request.account, kChallenges);
  if (!found) {
    base::log_error(found.error().what);
    return say(session, say::Refused{Refusal::failed});
  }
  session.candidates = std::move(*found);
  session.answers.clear();
  say::Challenges challenges;
  for (std::size_t i = 0; i < kChallenges; ++i) {
    const bool real = i < session.candidates.size();
    auto challenge =
        real ? keys::make_challenge(session.candidates[i].statement.recipient) : keys::make_dummy_challenge();
    if (!challenge) return end_session(session);
    say::Terms terms = dummy_terms(vault_.clock().now());  // made for the real ones too: the same cost
    if (real) {
      const keys::AccessTerms& t = session.candidates[i].statement.terms;
      terms = {t.id, std::string(keys::name_of(t.kind)), t.not_before, t.expires, t.salt, {}};
    }
    terms.sealed = std::move(challenge->sealed);
    challenges.terms.push_back(std::move(terms));
    session.answers.push_back(std::move(challenge->answer));
  }
  say(session, challenges);
}

void Keeper::check_answer(Session& session, const ask::Answer& request) {
  const auto answers = std::exchange(session.answers, {});
  const auto candidates = std::exchange(session.candidates, {});
  auto given = base::SecretBytes::copy_of(request.proof);
  const bool right = given && request.which < candidates.size() && answers[request.which] == *given;
  session.refused = true;
  if (!right) {
    failed_login(session.address);
    return say(session, say::Refused{Refusal::wrong});
  }
  const auto admitted = admit(candidates[request.which], session.address);
  if (const auto* refused = std::get_if<Refusal>(&admitted)) {
    refused_login(session.address, candidates[request.which].row, *refused);
    const auto running = claims_.find(candidates[request.which].row.id);
    if (*refused == Refusal::too_many && running != claims_.end()) running->second.broke_ms = base::monotonic_ms();
    return say(session, say::Refused{*refused});
  }
  session.refused = false;
  session.claim = std::get<KeeperClaim*>(admitted);
  KeeperClaim& claim = *session.claim;
  ++claim.connections;
  claim.active_ms = base::monotonic_ms();
  auto customer = vault_.catalog().customer(claim.row().customer);
  const base::Seconds ends =
      claim.erases() ? claim.row().claimed_at + vault_.config().claim_longest : claim.row().expires;
  say(session, say::Granted{claim.id(), claim.row().kind, claim.item_count(), ends, customer && customer->plain_folder,
                            claim.checkpoint(), claim.loaded_at()});
}

std::variant<KeeperClaim*, Refusal> Keeper::admit(const vault::Candidate& candidate, const std::string& address) {
  const auto running = claims_.find(candidate.row.id);
  const int connections = running == claims_.end() ? 0 : running->second.connections;
  auto entrance = vault::enter(vault_, candidate, address, connections);
  if (!entrance && follow_roles()) entrance = vault::enter(vault_, candidate, address, connections);
  if (!entrance) {
    base::log_error(entrance.error().what);
    return Refusal::failed;
  }
  if (!lets_in(*entrance)) return refusal_of(*entrance);
  if (running != claims_.end()) return &running->second;
  auto row = vault_.catalog().access(candidate.row.id);
  auto claim = row ? KeeperClaim::load(vault_, *row, candidate.statement) : Result<KeeperClaim>(row.error());
  if (!claim) {
    base::log_error(claim.error().what);
    return Refusal::failed;
  }
  return &claims_.emplace(candidate.row.id, std::move(*claim)).first->second;
}

// One entry per network and minute: a flood of log-ins must not become a flood of entries.
bool Keeper::noted_lately(const std::string& what) {
  const base::Seconds now = vault_.clock().now();
  base::Seconds& last = failed_[what];
  if (now - last < 60) return true;
  last = now;
  if (failed_.size() > kMostNetworks) std::erase_if(failed_, [&](const auto& f) { return now - f.second >= 60; });
  return false;
}

void Keeper::failed_login(const std::string& address) {
  const std::string network = vault::network_of(address);
  if (noted_lately(network)) return;
  auto r = vault_.audit().act([&] {
    return vault_.audit().note({"login.failed", "nobody", {}, "{\"network\":\"" + network + "\"}"});
  });
  if (!r) base::log_error(r.error().what);
}

// Whoever has the right password and may not come in (any more): a used letter in other hands looks like this.
void Keeper::refused_login(const std::string& address, const vault::AccessRow& row, Refusal why) {
  const std::string network = vault::network_of(address);
  const std::string word(word_of(why));
  if (word.empty() || noted_lately(network + " " + row.id + " " + word)) return;
  auto r = vault_.audit().act([&] {
    return vault_.audit().note(
        {"login.refused", vault::reader_of(row.kind), {row.id, word}, "{\"network\":\"" + network + "\"}"});
  });
  if (!r) base::log_error(r.error().what);
}

// Once for each recording of a claim: a client that tries again and again must not fill the log.
void Keeper::note_damage(const Session& session, std::uint32_t item) {
  const auto recording = session.claim->damaged(item);
  if (!recording) return;
  base::log_error(*recording + ": damaged, and refused to a reader of " + session.claim->id() +
                  "; callvault verify says more");
  auto r = vault_.audit().act([&] {
    return vault_.audit().note({"recording.damaged", "service", {*recording, session.claim->id()}, ""});
  });
  if (!r) base::log_error(r.error().what);
}

// Descriptors on their way count against this user's limit. Sessions that left theirs unread would use it up, and the
// others would get none; an honest one takes in an answer before it asks again.
void Keeper::open_file(Session& session, std::uint32_t item) {
  if (has_unread(session.socket)) {
    base::log_warning("a session does not wait for its answers; it is ended");
    return end_session(session);
  }
  if (session.files.size() >= kMostFiles) return say(session, say::Refused{Refusal::failed});
  auto opened = session.claim->open(item, base::monotonic_ms());
  if (const auto* refused = std::get_if<Refusal>(&opened)) {
    if (*refused == Refusal::damaged) note_damage(session, item);
    return say(session, say::Refused{*refused});
  }
  auto& file = std::get<KeeperClaim::OpenedItem>(opened);
  if (auto r = note_reading(session, item, file.reply.recording); !r) {
    base::log_error(r.error().at("note who reads").what);
    session.claim->lost(item, file.handle, false, base::monotonic_ms());
    return say(session, say::Refused{Refusal::failed});
  }
  file.reply.handle = session.next_file++;
  session.files.emplace(file.reply.handle, Session::OpenFile{item, file.handle});
  say(session, file.reply, &file.object);
}

// What is read without a claim: an entry before the first byte leaves, one for each recording and connection. A
// delivery has its claim and its end in the log.
Result<void> Keeper::note_reading(Session& session, std::uint32_t item, const std::string& recording) {
  const KeeperClaim& claim = *session.claim;
  if (claim.erases() || session.noted.contains(item)) return {};
  const auto note = [&] {
    return vault_.audit().act([&] {
      return vault_.audit().note({"recording.read", vault::reader_of(claim.row().kind), {recording, claim.id()}, ""});
    });
  };
  auto r = note();
  if (!r && follow_roles()) r = note();
  if (r) session.noted.insert(item);
  return r;
}

void Keeper::close_file(Session& session, const ask::Close& request) {
  const auto file = session.files.find(request.handle);
  if (file == session.files.end()) return end_session(session);
  const auto [item, handle] = file->second;
  session.files.erase(file);
  const std::int64_t now = base::monotonic_ms();
  if (!request.served) {
    note_damage(session, item);
    session.claim->lost(item, handle, false, now);
    return say(session, say::Done{false});
  }
  accept_session();  // who came meanwhile can be company
  say(session, say::Done{session.claim->close(item, handle, has_company(session), now)});
}

// It may have been about to fetch a chunk, and come back for it. One whose log-in was refused knows that it may not.
void Keeper::note_break(const Session& session) {
  const std::int64_t now = base::monotonic_ms();
  if (session.claim != nullptr) session.claim->broke_ms = now;
  if (session.claim != nullptr || session.recorder || session.refused) return;
  broke_[vault::network_of(session.address)] = now;
  if (broke_.size() > kMostNetworks)
    std::erase_if(broke_, [&](const auto& b) { return now - b.second >= vault_.config().claim_settle * 1000; });
}

// The same client may be about to fetch the next chunk: another connection is new and has opened nothing yet, or one
// broke lately.
bool Keeper::has_company(const Session& session) const {
  const std::int64_t since = base::monotonic_ms() - vault_.config().claim_settle * 1000;
  const bool from_anywhere = session.claim->row().any_address;
  const std::string network = vault::network_of(session.address);
  const bool is_new = std::ranges::any_of(sessions_, [&](const Session& other) {
    const bool same = other.claim != nullptr ? other.claim == session.claim
                                             : from_anywhere || vault::network_of(other.address) == network;
    return same && !other.recorder && &other != &session && !other.over && other.next_file == 1 &&
           other.began_ms > since;
  });
  return is_new || session.claim->broke_ms > since || std::ranges::any_of(broke_, [&](const auto& broke) {
           return broke.second > since && (from_anywhere || broke.first == network);
         });
}

void Keeper::end_session(Session& session, bool orderly) {
  if (session.over) return;
  session.over = true;
  session.socket = base::Fd();
  if (!orderly) note_break(session);
  for (auto& [number, upload] : session.uploads) {
    base::log_warning("recorder " + session.recorder->name + ": an upload stopped half-way, and was dropped");
    upload.drop(vault_);
  }
  session.uploads.clear();
  if (session.recorder) forget_recorder(session.recorder->name);
  // Only now that it is over: whoever has no key that counts shall not see by our time whether the account has one.
  if (session.claim == nullptr && !session.recorder && session.keys > 0) failed_login(session.address);
  if (session.claim == nullptr) return;
  KeeperClaim& claim = *session.claim;
  for (const auto& [number, file] : session.files) claim.lost(file.item, file.handle, orderly, base::monotonic_ms());
  session.claim = nullptr;
  --claim.connections;
  store_coverage(claim);
  if (auto r = vault_.catalog().change([&] { return vault_.catalog().saw(claim.id(), vault_.clock().now()); }); !r)
    base::log_error(r.error().what);
}

void Keeper::store_coverage(KeeperClaim& claim) {
  if (auto r = claim.store_coverage(); !r) base::log_error(r.error().at("store coverage").what);
}

void Keeper::cut(KeeperClaim& claim, Refusal why) {
  for (Session& s : sessions_) {
    if (s.claim != &claim) continue;
    say(s, say::Cut{why});
    end_session(s);
  }
}

void Keeper::commit() {
  pending_since_ms_ = 0;
  follow_roles();
  std::vector<vault::DeliveredItem> all;
  for (auto& [id, claim] : claims_) {
    store_coverage(claim);
    auto some = claim.take_delivered();
    all.insert(all.end(), some.begin(), some.end());
  }
  Result<void> done;
  if (!all.empty()) done = vault::mark_delivered(vault_, all);
  if (!done) {
    // Not marked: the customer has its copy, a restart would offer it again. Tried until it works.
    for (auto& item : all) claims_.at(item.access).put_back({item});
  } else {
    erased_here_ = erased_here_ || !all.empty();
    auto erased = vault::finish_erasures(vault_);
    erase_pending_ = !erased;
    if (erased) {
      log_pending_ = !erased->log_emptied;
    } else {
      done = erased.error();
    }
  }
  if (!done) {
    base::log_error(done.error().at("erase what was delivered").what);
    pending_since_ms_ = base::monotonic_ms();
    retry_ms_ = pending_since_ms_ + kRetryMs;
  }
}

void Keeper::tick() {
  const std::int64_t now = base::monotonic_ms();
  next_tick_ms_ = now + kTickMs;
  follow_roles();
  follow_trust();
  if (now - seen_ms_ >= kSeenMs) {
    if (auto r = saw([](const KeeperClaim& claim) { return claim.connections > 0; }); !r)
      base::log_error(r.error().what);
  }
  const auto version = vault_.catalog().data_version();
  const bool changed = version && *version != seen_version_;
  if (version) seen_version_ = *version;
  if (changed) cut_recorders();
  if (log_pending_) {
    const auto left = vault_.catalog().empty_log();
    log_pending_ = !left || *left != 0;
  }
  // What was downloaded is marked before anything ends: an end withdraws what is not marked.
  if (delivered_pending() && now >= retry_ms_) commit();
  const bool erased_here = std::exchange(erased_here_, false);  // which is no change to our own connection
  std::vector<std::string> over;
  for (auto& [id, claim] : claims_) {
    if (claim.has_delivered()) {  // it could not be marked yet: nothing of it ends before, and it looks again
      seen_version_ = -1;
      continue;
    }
    if (changed || (erased_here && !claim.erases())) {
      const auto seen = claim.refresh();
      if (!seen) {
        base::log_error(seen.error().what);
        seen_version_ = -1;
        continue;
      }
      if (seen->ended) {
        cut(claim, claim.row().state == "expired" ? Refusal::expired : Refusal::revoked);
        erase_pending_ = true;  // whoever ended it may not have come to its secret
        over.push_back(id);
        continue;
      }
      if (seen->open_item_withdrawn) cut(claim, Refusal::withdrawn);
      if (seen->open_item_restricted) cut(claim, Refusal::restricted);
      if (seen->erasure_due) erase_pending_ = true;
    }
    store_coverage(claim);
    const auto lingered = claim.end_lingers(vault_.clock().now());
    if (lingered.any) erase_pending_ = true;
    if (lingered.open) cut(claim, Refusal::gone);
    if (claim.expired(vault_.clock().now())) cut(claim, Refusal::expired);
    if (!claim.erases() && claim.connections == 0) {
      over.push_back(id);
      continue;
    }
    if (claim.erases() && claim.all_gone() && now - claim.active_ms >= vault_.config().claim_idle_after_all * 1000) {
      if (auto r = vault::end_access(vault_, id, "finished", "service"); !r) {
        base::log_error(r.error().what);
        continue;
      }
      cut(claim, Refusal::used);
      erase_pending_ = true;
      over.push_back(id);
    }
  }
  for (const auto& id : over) claims_.erase(id);

  if (std::any_of(claims_.begin(), claims_.end(), [](const auto& c) { return c.second.has_delivered(); })) return;
  auto ended = vault::end_overdue(vault_, [&](const std::string& id) {
    const auto running = claims_.find(id);
    return running != claims_.end() && running->second.connections > 0;
  });
  if (!ended) return base::log_error(ended.error().what);
  for (const auto& id : *ended) {
    erase_pending_ = true;
    const auto running = claims_.find(id);
    if (running == claims_.end()) continue;
    cut(running->second, running->second.erases() ? Refusal::used : Refusal::expired);
    claims_.erase(running);
  }
}

}  // namespace sftp
