// Link: a session's end of the socket to the keeper. One request, one answer; nothing else crosses, except a Cut, which
// may come at any time and ends the connection.
#pragma once

#include <optional>
#include <variant>

#include "base/files.h"
#include "sftp/messages.h"

namespace sftp {

class Link {
 public:
  explicit Link(base::Fd keeper) : keeper_(std::move(keeper)) {}

  // What the keeper answered, or why it refused. When the keeper is gone, cuts the connection, or answers something
  // else, the link is over() and the answer is that refusal. `object` gets the descriptor that came with the answer.
  template <class Answer>
  std::variant<Answer, Refusal> ask(const Ask& request, base::Fd* object = nullptr) {
    const std::optional<Say> said = exchange(request, object);
    if (!said) return over_.value_or(Refusal::failed);
    if (const auto* answer = std::get_if<Answer>(&*said)) return *answer;
    if (const auto* refused = std::get_if<say::Refused>(&*said)) return refused->why;
    over_ = Refusal::failed;
    return Refusal::failed;
  }
  void tell(const Ask& note);  // a request without an answer: Book, End

  // Bookings that follow on each other are told as one: many clients read in small pieces, and a message for each would
  // cost more than the piece. Where a handle begins is told at once, the rest after 50 ms or 1 MiB, and everything
  // before the next message of another kind. Nobody needs it sooner: what has arrived counts at CLOSE or End, and what
  // was sent after a broken line; a session that is killed leaves a little less of it known.
  void book(const ask::Book& booking);
  void book_what_waits();
  // When book_what_waits() is due, on base::monotonic_ms(); nullopt: nothing waits.
  std::optional<std::int64_t> booking_due() const { return due_; }

  void listen();  // takes in what came unasked; REQUIRES that the socket is readable, else it waits
  const std::optional<Refusal>& over() const { return over_; }  // why the connection must end
  int fd() const { return keeper_.get(); }

 private:
  std::optional<Say> exchange(const Ask& request, base::Fd* object);
  std::optional<Say> receive(base::Fd* object);

  base::Fd keeper_;
  // Of one kind: sent, or arrived. The booking that comes next, if it goes on, begins at its end; without length and
  // EOF nothing of it is untold.
  using Run = std::optional<ask::Book>;
  void tell_run(Run& run);
  Run sent_, arrived_;
  std::optional<std::int64_t> due_;
  std::optional<Refusal> over_;
};

}  // namespace sftp
