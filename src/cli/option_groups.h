// Options that several commands share, and the two helpers that put tables together. Only
// command_table.cc needs this.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "cli/command.h"

namespace penstock::cli {

template <typename... Options>
constexpr std::array<Option, sizeof...(Options)> options(const Options&... each) {
  return {each...};
}

template <size_t... sizes>
constexpr std::array<Option, (sizes + ...)> join(const std::array<Option, sizes>&... groups) {
  std::array<Option, (sizes + ...)> all{};
  auto out = all.begin();
  ((out = std::copy(groups.begin(), groups.end(), out)), ...);
  return all;
}

template <typename... Options>
constexpr std::array<Option, sizeof...(Options)> ours(const Options&... each) {
  std::array<Option, sizeof...(Options)> all{each...};
  for (Option& option : all) option.is_ours = true;
  return all;
}

// A year: nobody waits longer, and the sum with any clock fits.
inline constexpr uint64_t kMaxWait = 31'536'000;

// fspl's own.

inline constexpr Option kSeqfile{
    .short_name = 's',
    .name = "seqfile",
    .value_name = "FILE",
    .help = "the sequence file, created with number 1 if missing; - for no file and number 1",
    .required = true};
inline constexpr Option kInput{.short_name = 'i',
                               .name = "input",
                               .value_name = "FILE",
                               .help = "the payload; - reads standard input (default: no payload)"};
inline constexpr Option kQueuedir{.short_name = 'q',
                                  .name = "queuedir",
                                  .value_name = "DIR",
                                  .value = Value::filled,
                                  .help = "the queue directory",
                                  .required = true};
inline constexpr Option kQueuesToDrain{
    .short_name = 'q',
    .name = "queuedir",
    .value_name = "DIR",
    .value = Value::filled,
    .help = "the queue directory. Several, each with its own -q, are drained side by side",
    .required_unless = "all",
    .repeatable = true};
inline constexpr Option kDecoder{
    .short_name = 'd',
    .name = "decoder",
    .value_name = "CMD",
    .help =
        "turns a stored job file into a plain one, from standard input to standard output; a "
        "shell command, for instance 'gpg -q -d | zstd -dc'"};
inline constexpr Option kJob{.short_name = 'j',
                             .name = "job",
                             .value_name = "ID",
                             .value = Value::number,
                             .help = "the job's number",
                             .required = true};
inline constexpr Option kAllowJobParams{
    .name = "allow-job-params",
    .value_name = "PATTERN",
    .value = Value::pattern,
    .help =
        "append the parameters that the job carries to the command's; without it they only "
        "appear as FSPL_PARAM_n. With a PATTERN (not in fspl), an extended regular expression, "
        "a job fails before its command is started unless each parameter matches it as a whole",
    .value_is_optional = true};
inline constexpr Option kIgnorePayload{
    .name = "ignore-payload",
    .help = "give the command /dev/null as standard input instead of the payload"};
inline constexpr Option kTimeout{
    .name = "timeout",
    .value_name = "SECONDS",
    .value = Value::seconds,
    .min = 1,
    .help =
        "end the command and its whole tree after this time; the job has failed then "
        "(default: no limit)"};

// Ours.

inline constexpr Option kLockWait{
    .name = "lock-wait",
    .value_name = "SECONDS",
    .value = Value::seconds,
    .max = kMaxWait,
    .default_value = "10",
    .help = "how long to wait for the lock of the sequence file; 0 gives up at once"};
inline constexpr Option kJson{.name = "json", .help = "print JSON", .excludes = "null"};
inline constexpr Option kHeaderTimeout{
    .name = "header-timeout",
    .value_name = "SECONDS",
    .value = Value::seconds,
    .max = kMaxWait,
    .default_value = "60",
    .help =
        "how long a decoder may take to deliver a job file's header, 0 for any time; then the "
        "run ends, naming the file. The clock stands still while a person may be typing a "
        "passphrase"};
inline constexpr Option kSeal{
    .name = "seal",
    .help =
        "put length and digest of the payload into the job file, so that the receiver refuses "
        "it when it was cut or altered on its way"};
inline constexpr Option kRequireSeal{
    .name = "require-seal",
    .help = "a job file that is not sealed has failed; whoever makes them must use --seal"};
inline constexpr Option kSign{
    .name = "sign",
    .value_name = "KEYFILE",
    .value = Value::filled,
    .help = "sign the job file with this secret key (penstock keygen, or minisign); seals it, too"};
inline constexpr Option kFor{
    .name = "for",
    .value_name = "NAME",
    .value = Value::filled,
    .help = "sign it for the receiver's queue of this name: see --queue-name there"};
inline constexpr Option kTrust{
    .name = "trust",
    .value_name = "FILE",
    .value = Value::filled,
    .help =
        "public keys (penstock keygen, or minisign), one or several a file; what is signed must "
        "be signed with one of them. May be given several times",
    .repeatable = true};
inline constexpr Option kRequireSignature{
    .name = "require-signature",
    .help =
        "with --trust: a job file that is not signed is passed over, as one with a bad signature "
        "is; its number, time and parameters are not used for anything"};
inline constexpr Option kQueueName{
    .name = "queue-name",
    .value_name = "NAME",
    .value = Value::filled,
    .help = "with --trust: what is signed must be signed for this name (prepare --for)"};
inline constexpr auto kTrusting = ours(kTrust, kRequireSignature, kQueueName);
inline constexpr Option kDecoderOk{
    .name = "decoder-ok",
    .value_name = "STATUS,...",
    .value = Value::statuses,
    .help =
        "exit statuses of a decoder's stages that count as success besides 0, for instance 2 "
        "for the warnings of gzip"};
inline constexpr Option kStrictDecoder{
    .name = "strict-decoder",
    .help =
        "refuse a decoder string with a pipe in it that must be left to a shell without "
        "pipefail, since failures inside it would go unnoticed"};

inline constexpr Option kSandbox{
    .name = "sandbox",
    .value_name = "strict|try",
    .value = Value::choice,
    .help =
        "let what parses the input write to no file, use no network and gain no rights (Landlock "
        "and seccomp). strict (the default) refuses to run where the kernel cannot; try says so "
        "and goes on",
    .value_is_optional = true};
inline constexpr Option kSandboxWrite{
    .name = "sandbox-write",
    .value_name = "DIR[:DIR...]",
    .value = Value::filled,
    .help = "with --sandbox: directories where files may be made and changed all the same"};

inline constexpr auto kDecoderReading =
    ours(kHeaderTimeout, kStrictDecoder, kSandbox, kSandboxWrite);

// How the headers of a queue's job files are found.
inline constexpr Option kScanJobs{
    .name = "scan-jobs",
    .value_name = "N",
    .value = Value::number,
    .min = 1,
    .max = 64,
    .help = "how many decoders read headers side by side (default: one a processor, 2 to 8)"};
inline constexpr Option kNoIndex{
    .name = "no-index",
    .help =
        "decode every header, and keep none: do not use QUEUE/penstock/index, which spares later "
        "runs from decoding the headers of jobs that wait"};
inline constexpr Option kNoBuiltinDecoders{
    .name = "no-builtin-decoders",
    .help =
        "start the decoder for every header and job: do not decode anything in this process where "
        "the decoder, or its last stage, is a usual spelling of zstd, gzip, xz, bzip2 or lz4"};
inline constexpr Option kRetryUndecodable{
    .name = "retry-undecodable",
    .help =
        "also decode files that failed to give a header less than 10 minutes ago, for instance "
        "because a key was missing",
    .excludes = "no-index"};

inline constexpr auto kScanning = ours(kScanJobs, kNoIndex, kNoBuiltinDecoders, kRetryUndecodable);

// How the payload reaches the command; for queue-process, stdin-process and run.

inline constexpr Option kGate{
    .name = "gate",
    .value_name = "hold|eof|off",
    .value = Value::choice,
    .help =
        "what is kept from the command until all that feeds it has succeeded. hold: the last "
        "64 KiB and end-of-file; eof: end-of-file only; off: nothing, as in a shell (default: "
        "hold behind a decoder or of a sealed job, else eof)"};
inline constexpr Option kVerify{
    .name = "verify",
    .value_name = "before|during",
    .value = Value::choice,
    .default_value = "during",
    .help =
        "during: the command runs while its input is being checked. before: the input is "
        "stored and checked to its end, then the command starts"};
inline constexpr Option kSpoolDir{
    .name = "spool-dir",
    .value_name = "DIR",
    .value = Value::filled,
    .help = "where --verify before stores the input, in a file without a name"};
inline constexpr Option kMaxPayload{
    .name = "max-payload",
    .value_name = "SIZE",
    .value = Value::size,
    .help =
        "a payload of more bytes than this, as the command would get it, has failed: its end is "
        "never seen. K, M and G are understood (default: no limit)"};
inline constexpr Option kStdin{
    .name = "stdin",
    .value_name = "pipe|file",
    .value = Value::choice,
    .default_value = "pipe",
    .help =
        "pipe: the command reads the payload and nothing else from a pipe. file: it gets the "
        "job file itself, positioned at the payload; with a decoder only under --verify before"};
inline constexpr Option kCloseFds{
    .name = "close-fds",
    .help = "close all descriptors above 2 that Penstock inherited, rather than pass them on"};
inline constexpr Option kKeepFds{
    .name = "keep-fds",
    .help = "pass on the descriptors above 2 that Penstock inherited, rather than close them"};
inline constexpr Option kCgroup{
    .name = "cgroup",
    .help =
        "run each job in a control group (v2) of its own, below Penstock's own group, which "
        "must be delegated to this user"};
inline constexpr Option kPipeSize{
    .name = "pipe-size",
    .value_name = "max|BYTES",
    .value = Value::size,
    .min = 4096,
    .max = 1U << 30U,
    .help =
        "size of every pipe, 4K to 1G; max is the system's limit (default: max into the "
        "command, 64K between other stages)"};
inline constexpr Option kKillGrace{
    .name = "kill-grace",
    .value_name = "SECONDS",
    .value = Value::seconds,
    .max = kMaxWait,
    .default_value = "0",
    .help =
        "when a job must be ended while its input is incomplete: send TERM and wait this long "
        "before KILL. A command that commits on TERM would commit a part"};
inline constexpr Option kKillWith{
    .name = "kill-with",
    .value_name = "CMD",
    .value = Value::filled,
    .help =
        "ends processes of another user, for instance 'sudo -n kill'; called with -KILL and "
        "process numbers"};
inline constexpr Option kCaptureStderr{
    .name = "capture-stderr",
    .help =
        "read the command's standard error through a pipe: passed on as it is, and its last "
        "4 KiB kept for the report of a failure"};
inline constexpr Option kEarlyEnd{
    .name = "early-end",
    .value_name = "judge|close",
    .value = Value::choice,
    .default_value = "judge",
    .help =
        "when the command ends with success before its input does. judge: read the rest, "
        "discard it, and ask for every stage's status; close: stop reading and ask no more"};
inline constexpr Option kStallAfter{
    .name = "stall-after",
    .value_name = "SECONDS",
    .value = Value::seconds,
    .max = kMaxWait,
    .default_value = "30",
    .help =
        "when no byte has moved for this long, ask the doctor why and say it (see --on-stall); and "
        "when the command has exited 0 while a child of its holds its input and takes nothing for "
        "this long, the job fails and names it; 0 does neither"};
inline constexpr Option kOnStall{
    .name = "on-stall",
    .value_name = "report|heal|retry|kill",
    .value = Value::choice,
    .default_value = "heal",
    .help =
        "what follows a stall. report: say why; heal: and wake a writer that the kernel forgot to "
        "wake, which disturbs nothing; kill: and after --kill-after end the job, which has failed; "
        "retry: and then run it again"};
inline constexpr Option kKillAfter{
    .name = "kill-after",
    .value_name = "SECONDS",
    .value = Value::seconds,
    .min = 1,
    .max = kMaxWait,
    .default_value = "600",
    .help = "without a byte, under --on-stall kill or retry, the job is ended"};

inline constexpr auto kPipeline =
    ours(kGate, kVerify, kSpoolDir, kMaxPayload, kStdin, kCloseFds, kCgroup, kPipeSize, kKillGrace,
         kKillWith, kCaptureStderr, kEarlyEnd, kStallAfter, kOnStall, kKillAfter);

}  // namespace penstock::cli
