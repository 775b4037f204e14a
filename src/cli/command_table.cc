#include "cli/command_table.h"

#include "cli/option_groups.h"
#include "cli/signature_options.h"

namespace penstock::cli {

namespace {

constexpr auto kGlobal =
    join(options(Option{.short_name = 'l',
                        .name = "log-level",
                        .value_name = "error|warn|info|debug|trace",
                        .value = Value::level,
                        .default_value = "info",
                        .help = "how much to say on standard error; also 1 (error) to 5 (trace)"},
                 Option{.short_name = 'h', .name = "help", .help = "show help and exit"},
                 Option{.short_name = 'V', .name = "version", .help = "show the version and exit"}),
         ours(Option{.name = "completions",
                     .value_name = "bash",
                     .value = Value::choice,
                     .help = "print a completion script for this shell",
                     .hidden = true}));

// The sender's side.

constexpr Option kPrepareSpoolDir{
    .name = "spool-dir",
    .value_name = "DIR",
    .value = Value::filled,
    .help =
        "where --seal stores a payload that cannot be read twice, in a file without a name "
        "(default: $TMPDIR, or /var/tmp)"};
constexpr auto kPrepare =
    join(options(kSeqfile, kInput), ours(kSeal, kSign, kFor, kPrepareSpoolDir, kLockWait));

constexpr Option kSeqfileUnlessFill{.short_name = 's',
                                    .name = "seqfile",
                                    .value_name = "FILE",
                                    .help = kSeqfile.help,
                                    .required_unless = "fill"};
constexpr auto kPrepareFiller =
    join(options(kSeqfileUnlessFill),
         ours(Option{.name = "fill",
                     .value_name = "N",
                     .value = Value::number,
                     .max = UINT64_MAX - 1,  // nothing can follow the last one: it would never run
                     .help = "make the job file for number N, to close a gap, and leave the "
                             "sequence file alone"},
              kSeal, kSign, kFor, kLockWait));

constexpr auto kPrepareNumber = join(options(Option{.short_name = 's',
                                                    .name = "seqfile",
                                                    .value_name = "FILE",
                                                    .help = "the sequence file",
                                                    .required = true}),
                                     ours(kLockWait));

constexpr auto kEnqueue =
    join(options(kQueuedir, kSeqfile, kInput), ours(kSeal, kSign, kFor, kLockWait));

constexpr auto kVerifyFiles =
    join(options(kDecoder), ours(Option{.name = "json", .help = "print JSON"}), kTrusting,
         ours(kExtract, kDecoderOk), kDecoderReading);

// The queue's side.

constexpr auto kQueueInit =
    join(options(kQueuedir, Option{.name = "append-only",
                                   .help = "make a queue that is only written to here and "
                                           "processed elsewhere: no sequence file"}),
         ours(Option{.name = "private",
                     .help = "nobody but this user may enter the queue: directories get mode "
                             "0700, files 0600"},
              Option{.name = "repair",
                     .help = "the queue may exist: add what is missing and keep what is there"}));

constexpr auto kQueueWrite = join(
    options(kQueuedir),
    ours(Option{.name = "check",
                .help = "refuse input that does not begin with a valid header; not for "
                        "encrypted or compressed job files"},
         Option{
             .name = "allow-empty", .help = "accept input of no bytes at all", .excludes = "check"},
         Option{.name = "number",
                .value_name = "N",
                .value = Value::number,
                .help = "the job's sequence number, for the end of its file's name: a run "
                        "that waits for another one then need not decode this file"}));

constexpr Option kParamsAfterDashes{
    .name = "params-after-dashes",
    .help =
        "with --allow-job-params: put -- before the job's parameters, so that none is taken "
        "for an option"};
// Its name before.
constexpr Option kParamsSeparator{
    .name = "params-separator", .help = kParamsAfterDashes.help, .hidden = true};

constexpr Option kNull{.short_name = '0',
                       .name = "null",
                       .help = "end each entry with a NUL byte instead of a newline"};

constexpr auto kQueueLs = join(
    options(kQueuedir, kDecoder),
    ours(
        kJson, kNull,
        Option{.name = "marks", .help = "add a column: next, waiting, old, duplicate or conflict"}),
    kTrusting, kDecoderReading, kScanning);
constexpr auto kQueueInfo = join(options(kQueuedir, kJob, kDecoder), ours(kJson, kNull), kTrusting,
                                 kDecoderReading, kScanning);
constexpr auto kQueuePayload =
    join(options(kQueuedir, kJob, kDecoder), ours(kRequireSeal, kDecoderOk), kTrusting,
         kDecoderReading, kScanning);
constexpr auto kQueueNumber = options(kQueuedir);

constexpr auto kQueueSweep =
    join(options(kQueuedir, kDecoder,
                 Option{.name = "apply", .help = "remove them, rather than only say which"},
                 Option{.name = "json", .help = "print JSON"}),
         kTrusting, kDecoderReading, kScanning);

constexpr auto kQueueCheck = options(kQueuedir, Option{.name = "json", .help = "print JSON"});

constexpr auto kQuarantineList = options(kQueuedir, Option{.name = "json", .help = "print JSON"});
constexpr auto kQuarantineShow = options(kQueuedir);
constexpr Option kAllQuarantined{.name = "all", .help = "all that are in the quarantine"};
constexpr auto kQuarantineDrop = options(kQueuedir, kAllQuarantined);
constexpr auto kQuarantineRelease =
    options(kQueuedir, kAllQuarantined,
            Option{.name = "set-next",
                   .help = "also set the queue's next number back to the lowest of them, so that "
                           "they run"});

constexpr Option kOnError{
    .name = "on-error",
    .value_name = "Retry|Delete|Leave|quarantine",
    .value = Value::choice,
    .default_value = "Retry",
    .help =
        "when a job fails. Retry: stop, and begin with it the next time; Delete: remove it and "
        "go on; Leave: keep its file and go on; quarantine (not in fspl): move its file to "
        "QUEUE/penstock/quarantine, with a report, and go on"};
constexpr auto kQueueProcess = join(
    options(
        kQueuesToDrain, kDecoder,
        Option{.short_name = 'n',
               .name = "maxjobs",
               .value_name = "N",
               .value = Value::number,
               .help = "stop after N jobs, failed ones included (default: no limit)"},
        Option{.name = "never-delete", .help = "keep the file of every job, also after success"},
        kOnError,
        Option{.name = "order-by",
               .value_name = "Sequence|Timestamp",
               .value = Value::choice,
               .default_value = "Sequence",
               .help = "Sequence: strictly by number, from the queue's next one; Timestamp: all "
                       "that are there, by time of creation"},
        Option{.name = "output-to",
               .value_name = "PassBoth|SaveBoth",
               .value = Value::choice,
               .default_value = "PassBoth",
               .help = "the command's standard output and error. PassBoth: to Penstock's own; "
                       "SaveBoth: appended to JOBFILE.out beside the job file"},
        kAllowJobParams, kIgnorePayload, kTimeout),
    kPipeline, ours(kRequireSeal), kTrusting, ours(kDecoderOk), kDecoderReading, kScanning,
    ours(Option{.name = "max-attempts",
                .value_name = "N",
                .value = Value::number,
                .min = 1,
                .default_value = "1",
                .help = "with --on-error quarantine: move a job aside after N failed attempts; "
                        "before that, as Retry"},
         Option{.name = "quarantine-limit",
                .value_name = "N",
                .value = Value::number,
                .max = UINT32_MAX,
                .default_value = "3",
                .help = "with --on-error quarantine: stop the queue once N jobs in a row were "
                        "moved aside, as the later ones may fail only because of the first; 0 "
                        "for no limit"},
         Option{.name = "retry-delay",
                .value_name = "MIN..MAX",
                .value = Value::delays,
                .min = 1,
                .max = kMaxWait,
                .help = "with --on-error Retry or quarantine: after a failed attempt a run leaves "
                        "the job alone for MIN, doubled with each further one up to MAX, for "
                        "instance 1m..1h; one length alone is both (default: none)"},
         Option{.name = "idempotent-check",
                .value_name = "CMD",
                .value = Value::filled,
                .help = "a shell command, run with the job's environment before a job that may "
                        "have been applied already; status 0 says that it was, so it is done"},
         Option{.name = "already-done-status",
                .value_name = "N",
                .value = Value::number,
                .min = 1,
                .max = 255,
                .help = "exit status by which the command says that the job was applied before; "
                        "counts as success (default: none)"},
         Option{.name = "no-rescan",
                .help = "only the jobs that are there at the start, even if the next one arrives "
                        "meanwhile"},
         Option{.name = "lock-wait",
                .value_name = "SECONDS",
                .value = Value::seconds,
                .max = kMaxWait,
                .default_value = "0",
                .help = "how long to wait while another run holds the queue; 0 gives up at once"},
         Option{.name = "look-ahead",
                .value_name = "N",
                .value = Value::number,
                .max = 16,
                .default_value = "1",
                .help = "with a decoder: decode the next N jobs while one is decoded and runs"},
         Option{.name = "no-numbered-names",
                .help = "with a decoder: decode every header, also of files whose names end with "
                        "a later number"},
         Option{.name = "all",
                .value_name = "DIR",
                .value = Value::filled,
                .help = "drain every queue that is a directory in DIR, instead of --queuedir",
                .excludes = "queuedir"},
         Option{.name = "lanes",
                .value_name = "N",
                .value = Value::number,
                .min = 1,
                .max = 1024,
                .help = "with several queues: how many are drained at the same time (default: as "
                        "many as there are processors)"},
         Option{.name = "lane-time",
                .value_name = "SECONDS",
                .value = Value::seconds,
                .min = 1,
                .max = kMaxWait,
                .default_value = "20",
                .help = "with more queues than lanes: how long a queue may keep its lane; then, "
                        "between two jobs, it makes room and comes again after the others"},
         Option{.name = "prefix-output",
                .help = "begin each line of output, the commands' too, with its queue"},
         Option{.name = "follow",
                .help = "when nothing is left to run, wait for more jobs and run them as they "
                        "arrive, in all queues, until a signal comes"},
         Option{.name = "rescan-every",
                .value_name = "SECONDS",
                .value = Value::seconds,
                .min = 1,
                .max = kMaxWait,
                .default_value = "60",
                .help = "with --follow: how often to look for jobs that the kernel does not tell "
                        "of, as on NFS"},
         Option{.name = "drain-time",
                .value_name = "SECONDS",
                .value = Value::seconds,
                .max = kMaxWait,
                .default_value = "0",
                .help = "how long the running job may go on after a signal (HUP, INT, QUIT, TERM) "
                        "before it is ended, to run again; a second signal ends it at once"},
         Option{.name = "remove-old",
                .help = "remove job files with numbers below the next one: they will never run"},
         kParamsAfterDashes, kParamsSeparator,
         Option{.name = "gap-status",
                .value_name = "N",
                .value = Value::number,
                .max = 255,
                .default_value = "0",
                .help = "exit status when later jobs wait for a number that is missing"},
         Option{.name = "skipped-status",
                .value_name = "N",
                .value = Value::number,
                .max = 255,
                .default_value = "0",
                .help = "exit status when a job file was skipped because it could not be read or "
                        "decoded"},
         Option{.name = "detailed-exit",
                .help = "tell failures apart by exit status; see penstock-queue-process(1)"}));

// One job file on standard input.

constexpr auto kStdinInfo = ours(kJson, kNull);
constexpr auto kStdinPayload = ours(kRequireSeal);
constexpr auto kStdinProcess =
    join(options(kAllowJobParams, kIgnorePayload, kTimeout), kPipeline, kTrusting,
         ours(kRequireSeal, kParamsAfterDashes, kParamsSeparator));

constexpr Option kRunGate{.name = "gate",
                          .value_name = kGate.value_name,
                          .value = Value::choice,
                          .default_value = "hold",
                          .help =
                              "what is kept from the last command until all before it have "
                              "succeeded. hold: the last 64 KiB and end-of-file; eof: "
                              "end-of-file only; off: nothing, as in a shell"};
constexpr Option kRunTimeout{.name = "timeout",
                             .value_name = "SECONDS",
                             .value = Value::seconds,
                             .min = 1,
                             .help = "end the whole pipeline after this time (default: no limit)"};
constexpr auto kRun =
    ours(kRunGate, kVerify, kSpoolDir, kMaxPayload, kSandbox, kSandboxWrite, kDecoderOk,
         kRunTimeout, kStallAfter, kOnStall, kKillAfter,
         Option{.name = "report",
                .help = "at the end a line for each stage on standard error: status, bytes in and "
                        "out, time"},
         kKeepFds, kCgroup, kPipeSize, kKillGrace, kKillWith, kCaptureStderr, kEarlyEnd);

constexpr auto kDoctor = join(
    options(Option{.short_name = 'j',
                   .name = "job",
                   .value_name = "N",
                   .value = Value::number,
                   .help = "look at the pipeline of this job, which runs now; with --queuedir"},
            Option{.short_name = 'q',
                   .name = "queuedir",
                   .value_name = "DIR",
                   .value = Value::filled,
                   .help = "the queue of --job"}),
    ours(Option{.name = "session",
                .help = "look at all processes of this terminal session; so also without "
                        "any PID",
                .excludes = "all"},
         Option{.name = "all", .help = "look at every process that holds a pipe"},
         Option{.name = "interval",
                .value_name = "SECONDS",
                .value = Value::interval,
                .min = 50,
                .max = 3'600'000,
                .default_value = "2",
                .help = "time between the two looks; fractions are understood"},
         Option{.name = "json", .help = "print JSON", .excludes = "graph"},
         Option{.name = "graph",
                .help = "draw every pipeline that was looked at, and who waits for whom",
                .excludes = "dot"},
         Option{.name = "dot", .help = "print the graph for Graphviz", .excludes = "json"},
         Option{.name = "heal",
                .value_name = "H1|H3|H4|H5",
                .value = Value::choice,
                .help = "free what is stuck, where a finding offers this step, and look again. "
                        "H1 (the default) is safe: it wakes a writer and touches no byte; the "
                        "others end or stop processes",
                .value_is_optional = true},
         Option{.name = "watch",
                .help = "go on looking until INT or TERM, and tell when the answer changes"},
         Option{.name = "save",
                .value_name = "FILE",
                .value = Value::filled,
                .help = "also store what was seen, for --load elsewhere; no payload is in it"},
         Option{.name = "redact", .help = "with --save: leave out the arguments of all processes"},
         Option{.name = "load",
                .value_name = "FILE",
                .value = Value::filled,
                .help = "judge what --save has stored, rather than this machine"},
         Option{.name = "self",
                .help = "check this machine instead: the kernel's pipe bug, the limits of "
                        "pipes, what is hidden from us"}));

constexpr auto kCommands = std::to_array<Command>({
    {.id = CommandId::prepare,
     .name = "prepare",
     .group = Group::sender,
     .summary = "make a job file that runs a command",
     .about = "Writes a job file with the next number of the sequence file to standard output. "
              "Variables whose names begin with FSPL_SET_ travel with it. If it fails after the "
              "number was taken, it says which one is lost and how to fill the gap.",
     .options = kPrepare,
     .tail = Tail::parameters},
    {.id = CommandId::prepare_nop,
     .name = "prepare-nop",
     .group = Group::sender,
     .summary = "make a job file that does nothing and succeeds",
     .about = "Writes a job file to standard output that is done without running anything: good "
              "for filling a gap.",
     .options = kPrepareFiller},
    {.id = CommandId::prepare_fail,
     .name = "prepare-fail",
     .group = Group::sender,
     .summary = "make a job file that fails",
     .about = "Writes a job file to standard output that fails without running anything: good for "
              "stopping the receiver at this point, or for a test.",
     .options = kPrepareFiller},
    {.id = CommandId::prepare_get_next,
     .name = "prepare-get-next",
     .group = Group::sender,
     .summary = "print the number that the next job file will get",
     .about = "Prints the number in the sequence file, and does not use it up.",
     .options = kPrepareNumber},
    {.id = CommandId::prepare_set_next,
     .name = "prepare-set-next",
     .group = Group::sender,
     .summary = "set the number that the next job file will get",
     .about = "Stores ID in the sequence file, also when that is damaged.",
     .options = kPrepareNumber,
     .positional = "ID",
     .positional_value = Value::number},
    {.id = CommandId::enqueue,
     .name = "enqueue",
     .group = Group::sender,
     .summary = "make a job file and put it into a queue in one step",
     .about = "Does what prepare and queue-write do together, as one step: either the number is "
              "used and the whole job is in the queue, or nothing has happened.",
     .options = kEnqueue,
     .tail = Tail::parameters,
     .is_ours = true},
    {.id = CommandId::seal,
     .name = "seal",
     .group = Group::sender,
     .summary = "seal job files that are there already",
     .about =
         "Puts length and digest of the payload into each plain job FILE. A new file takes the "
         "old one's place once it is complete and on disk. One that is sealed is checked.",
     .positional = "FILE",
     .tail = Tail::list,
     .is_ours = true},
    kKeygenCommand,
    kSignCommand,
    {.id = CommandId::verify,
     .name = "verify",
     .group = Group::sender,
     .summary = "say whether sealed job files are whole",
     .about =
         "Says of each job FILE, one a line: whole, cut, altered, not sealed or unreadable; "
         "with --trust also who has signed it. Exit status 0 only if all are sealed and whole, "
         "and nothing is wrong with a signature.",
     .options = kVerifyFiles,
     .positional = "FILE",
     .tail = Tail::list,
     .is_ours = true},
    {.id = CommandId::queue_init,
     .name = "queue-init",
     .group = Group::queue,
     .summary = "make a queue directory",
     .about = "Makes DIR, DIR/jobs and the sequence file with number 1. DIR must not exist yet.",
     .options = kQueueInit},
    {.id = CommandId::queue_write,
     .name = "queue-write",
     .group = Group::queue,
     .summary = "put a job file into a queue",
     .about = "Reads a job file, encoded or not, from standard input to its end, and adds it to "
              "the queue in one step, safe against a power cut. Needs no lock.",
     .options = kQueueWrite},
    {.id = CommandId::queue_ls,
     .name = "queue-ls",
     .group = Group::queue,
     .summary = "list the jobs in a queue",
     .about = "Lists number, time of creation and file name of each job, by number.",
     .options = kQueueLs},
    {.id = CommandId::queue_info,
     .name = "queue-info",
     .group = Group::queue,
     .summary = "show what is known about a job",
     .about = "Prints the variables that the job's command would get, one NAME=value a line.",
     .options = kQueueInfo},
    {.id = CommandId::queue_payload,
     .name = "queue-payload",
     .group = Group::queue,
     .summary = "write a job's payload to standard output",
     .about = "Writes the payload of a job to standard output. If the decoder fails at its end, "
              "so does this command, but what was written before is out.",
     .options = kQueuePayload},
    {.id = CommandId::queue_process,
     .name = "queue-process",
     .group = Group::queue,
     .summary = "run the jobs of a queue in order",
     .about = "Runs COMMAND for each job whose turn has come, with the payload as standard input. "
              "COMMAND sees the end of its input only when every decoder has succeeded. A job that "
              "is done is removed, and the number moves on.",
     .options = kQueueProcess,
     .positional = "COMMAND",
     .tail = Tail::parameters},
    {.id = CommandId::queue_get_next,
     .name = "queue-get-next",
     .group = Group::queue,
     .summary = "print the number of the job that runs next",
     .about = "Prints the number in the queue's sequence file. Works while the queue is being "
              "processed.",
     .options = kQueueNumber},
    {.id = CommandId::queue_set_next,
     .name = "queue-set-next",
     .group = Group::queue,
     .summary = "set the number of the job that runs next",
     .about = "Stores ID in the queue's sequence file, also when that is damaged. Jobs with "
              "smaller numbers will not run any more.",
     .options = kQueueNumber,
     .positional = "ID",
     .positional_value = Value::number},
    {.id = CommandId::queue_sweep,
     .name = "queue-sweep",
     .group = Group::queue,
     .summary = "say what lies in a queue and will never run, or remove it",
     .about = "Lists job files with numbers below the next one, identical redeliveries, and "
              "temporary files that a killed writer has left; and files that differ though they "
              "carry one number, which stay. Removes nothing without --apply.",
     .options = kQueueSweep,
     .is_ours = true},
    {.id = CommandId::queue_check,
     .name = "queue-check",
     .group = Group::queue,
     .summary = "warn of what lets others meddle with a queue",
     .about =
         "Looks at owners and modes of the queue, its parent directory and what lies in it, and "
         "prints a line for each that lets somebody besides this user and root add, change or "
         "replace jobs. Exit status 0: nothing; 1: something; 2: it could not look.",
     .options = kQueueCheck,
     .is_ours = true},
    {.id = CommandId::quarantine_list,
     .name = "quarantine-list",
     .group = Group::queue,
     .summary = "list the jobs that were moved aside",
     .about = "Lists the jobs in DIR/penstock/quarantine, by number: when each was moved there, "
              "after how many attempts, and why.",
     .options = kQuarantineList,
     .is_ours = true},
    {.id = CommandId::quarantine_show,
     .name = "quarantine-show",
     .group = Group::queue,
     .summary = "show why a job was moved aside",
     .about = "Prints the report of each JOB, given by number or file name, or of all: who failed "
              "and how, what the doctor said, the end of standard error.",
     .options = kQuarantineShow,
     .positional = "JOB",
     .positional_required = false,
     .tail = Tail::list,
     .is_ours = true},
    {.id = CommandId::quarantine_release,
     .name = "quarantine-release",
     .group = Group::queue,
     .summary = "put jobs that were moved aside back into the queue",
     .about = "Moves each JOB, given by number or file name, back among the job files and removes "
              "its report. A number that the queue has passed only runs with --set-next.",
     .options = kQuarantineRelease,
     .positional = "JOB",
     .positional_required = false,
     .tail = Tail::list,
     .is_ours = true},
    {.id = CommandId::quarantine_drop,
     .name = "quarantine-drop",
     .group = Group::queue,
     .summary = "remove jobs that were moved aside, for good",
     .about = "Removes each JOB, given by number or file name, and its report.",
     .options = kQuarantineDrop,
     .positional = "JOB",
     .positional_required = false,
     .tail = Tail::list,
     .is_ours = true},
    {.id = CommandId::stdin_info,
     .name = "stdin-info",
     .group = Group::standard_input,
     .summary = "show what a job file on standard input says",
     .about = "Prints the variables that the job's command would get, one NAME=value a line.",
     .options = kStdinInfo},
    {.id = CommandId::stdin_payload,
     .name = "stdin-payload",
     .group = Group::standard_input,
     .summary = "write the payload of a job file on standard input",
     .about =
         "Copies what stands behind the header of a job file from standard input to standard "
         "output. If it is sealed and not the one that was sealed, the command fails at its end.",
     .options = kStdinPayload},
    {.id = CommandId::stdin_process,
     .name = "stdin-process",
     .group = Group::standard_input,
     .summary = "run a job file on standard input",
     .about = "Runs COMMAND with the payload of the job file that comes on standard input. Whether "
              "the end of standard input is the end of the job file is known only of a sealed one.",
     .options = kStdinProcess,
     .positional = "COMMAND",
     .tail = Tail::parameters},
    {.id = CommandId::run,
     .name = "run",
     .group = Group::pipeline,
     .summary = "run a pipeline that commits only on success",
     .about = "Runs commands joined by the word '|', quoted for the shell. The last one sees the "
              "end of its input only when all before it have succeeded; if one fails, the last is "
              "ended first. The exit status is that of the first stage that failed.",
     .options = kRun,
     .positional = "CMD [ARG...] ['|' CMD [ARG...]]...",
     .tail = Tail::pipeline,
     .is_ours = true},
    {.id = CommandId::doctor,
     .name = "doctor",
     .group = Group::pipeline,
     .summary = "say why a pipeline is stuck, and what frees it",
     .about = "Looks twice at the whole pipeline of each process PID, without touching it, and "
              "says who waits for whom, who is the cause, and what may safely be done. Exit "
              "status 0: nothing is stuck; 1: something is; 2: it could not look.",
     .options = kDoctor,
     .positional = "PID",
     .positional_value = Value::number,
     .positional_required = false,
     .tail = Tail::list,
     .is_ours = true},
    {.id = CommandId::gen_uuid,
     .name = "gen-uuid",
     .summary = "print a random UUID",
     .about = "Prints a random UUID (version 4)."},
    {.id = CommandId::gen_filename,
     .name = "gen-filename",
     .summary = "print a fresh name for a job file",
     .about = "Prints a name of the form fspl-UUID.fspl, as files in a queue have it."},
    {.id = CommandId::show_license,
     .name = "show-license",
     .summary = "print the licence",
     .about = "Prints the terms under which Penstock may be used and passed on."},
    {.id = CommandId::help,
     .name = "help",
     .summary = "show help for a command",
     .about = "Shows the overview, or what penstock COMMAND --help shows.",
     .positional = "COMMAND",
     .positional_required = false},
});

}  // namespace

constinit const CommandTable kCommandTable{.global_options = kGlobal, .commands = kCommands};

}  // namespace penstock::cli
