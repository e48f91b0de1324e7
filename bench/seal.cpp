// Sealing and opening on one core: MB/s of plaintext per second of CPU. Nothing touches a disk: the writer's sink
// throws away, the reader reads from memory (an unnamed file in /dev/shm).
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "base/files.h"
#include "base/secret.h"
#include "keys/age_stream.h"
#include "keys/kdf.h"

namespace {

constexpr std::int64_t kTotal = std::int64_t{1} << 30;
constexpr std::size_t kWrite = std::size_t{64} * 1024;
constexpr std::size_t kSftpRead = std::size_t{255} * 1024;
constexpr std::size_t kFileKey = 16;

// A benchmark of something that failed says nothing.
template <class T>
T must(base::Result<T> r) {
  if (!r) std::fprintf(stderr, "%s\n", r.error().what.c_str()), std::exit(1);
  return *std::move(r);
}
void must(const base::Result<void>& r) {
  if (!r) std::fprintf(stderr, "%s\n", r.error().what.c_str()), std::exit(1);
}

void seal_into(const base::SecretBytes& key, const keys::StreamWriter::Sink& sink, keys::Sha256Stream* plain_hash) {
  const base::Bytes piece = base::random_bytes(kWrite);
  auto writer = must(keys::StreamWriter::create(key, sink));
  for (std::int64_t done = 0; done < kTotal; done += std::int64_t{kWrite}) {
    if (plain_hash) plain_hash->update(piece);
    must(writer.write(piece));
  }
  must(writer.finish());
}

void seal(benchmark::State& state) {
  const auto key = must(base::SecretBytes::random(kFileKey));
  for (auto _ : state)
    seal_into(
        key, [](base::ByteView sealed) { return benchmark::DoNotOptimize(sealed.data()), base::Result<void>(); },
        nullptr);
  state.SetBytesProcessed(state.iterations() * kTotal);
}
BENCHMARK(seal)->Unit(benchmark::kMillisecond);

// What ingest does for the signed record: SHA-256 of the plaintext and of the object, on the same core.
void seal_and_hash_both(benchmark::State& state) {
  const auto key = must(base::SecretBytes::random(kFileKey));
  for (auto _ : state) {
    keys::Sha256Stream plain, object;
    seal_into(
        key, [&](base::ByteView sealed) { return object.update(sealed), base::Result<void>(); }, &plain);
    benchmark::DoNotOptimize(plain.finish());
    benchmark::DoNotOptimize(object.finish());
  }
  state.SetBytesProcessed(state.iterations() * kTotal);
}
BENCHMARK(seal_and_hash_both)->Unit(benchmark::kMillisecond);

void open_in_order(benchmark::State& state) {
  const auto key = must(base::SecretBytes::random(kFileKey));
  const base::Fd object(::open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  seal_into(
      key, [&](base::ByteView sealed) { return base::system_files().append(object.get(), sealed); }, nullptr);
  base::Bytes buffer(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    auto reader = must(keys::StreamReader::open(key, base::Fd(::dup(object.get()))));
    for (std::uint64_t at = 0; at < reader.size();) at += must(reader.read(at, buffer));
    benchmark::DoNotOptimize(buffer.data());
  }
  state.SetBytesProcessed(state.iterations() * kTotal);
}
BENCHMARK(open_in_order)->Arg(kWrite)->Arg(kSftpRead)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
