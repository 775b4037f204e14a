// Chapter B of docs/diagnosis/rules.md: what a pipe holds, and in which mode. None of these is
// stuck by itself; they keep people from concluding too much, or explain something else.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "doctor/looking.h"
#include "doctor/pipe_bug.h"

namespace penstock::doctor {

namespace {

using procfs::Descriptor;
using procfs::PipeFacts;

constexpr size_t kDefaultCapacity = 65536;

// Whoever of these holders was looked at; nothing if nobody was.
const Process* first_known(const std::vector<Holder>& holders) {
  for (const Holder& holder : holders) {
    if (holder.process->looked_at) return holder.process;
  }
  return nullptr;
}

Finding word_about(const Examination& examination, const RuleInfo& rule, const Process& process,
                   ino_t pipe, Severity severity, Certainty certainty) {
  Finding finding = finding_about(examination, rule, process);
  finding.victims.clear();
  finding.since_s.reset();
  finding.severity = severity;
  finding.certainty = certainty;
  finding.pipe = pipe;
  return finding;
}

void look_for_full_by_slots(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  std::set<ino_t> told;
  for (const Wait* wait : scene.steady(WaitKind::pipe_write)) {
    const PipeFacts* facts = scene.facts(wait->pipe);
    if (facts == nullptr || scene.writable(wait->pipe) != false) continue;
    if (!facts->queued || !facts->capacity || *facts->queued * 8 >= *facts->capacity * 7) continue;
    if (examination.explained(wait->pipe) || !told.insert(wait->pipe).second) continue;
    const Process& writer = *scene.find(wait->process);
    Finding finding =
        word_about(examination, rule, writer, wait->pipe, Severity::info, Certainty::certain);
    finding.sentence =
        cat("Pipe ", wait->pipe, " is full by slots at ", *facts->queued * 100 / *facts->capacity,
            " % of its bytes: ", name_of(writer), " rightly waits for its reader.");
    finding.evidence.push_back(cat("pipe ", wait->pipe, ": ", scene.describe(wait->pipe),
                                   "; does not poll writable in either snapshot"));
    examination.findings.push_back(std::move(finding));
  }
}

// The capacities of all pipes that this user made, as far as they could be asked.
size_t bytes_of_user(const Scene& scene, uid_t user) {
  size_t bytes = 0;
  for (const auto& [inode, facts] : scene.now().pipes) {
    if (facts.owner == user) bytes += facts.capacity.value_or(0);
  }
  return bytes;
}

void look_for_shrunk_pipes(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  const procfs::Machine& machine = scene.now().machine;
  std::map<uid_t, std::vector<ino_t>> small;
  for (const auto& [inode, facts] : scene.now().pipes) {
    // Nobody limits root's pipes.
    if (!facts.owner || *facts.owner == 0 || !facts.capacity) continue;
    if (*facts.capacity <= 2 * machine.page_size && first_known(scene.writers(inode)) != nullptr) {
      small[*facts.owner].push_back(inode);
    }
  }
  for (const auto& [user, pipes] : small) {
    const size_t pages = bytes_of_user(scene, user) / machine.page_size;
    const uint64_t limit = machine.pipe_user_pages_soft.value_or(0);
    const bool at_limit = limit != 0 && pages * 10 >= limit * 9;
    const Process& writer = *first_known(scene.writers(pipes.front()));
    Finding finding = word_about(examination, rule, writer, pipes.front(),
                                 at_limit ? Severity::warning : Severity::info, Certainty::likely);
    finding.sentence =
        cat(pipes.size() == 1 ? "One pipe" : cat(pipes.size(), " pipes"), " of user ", user,
            " holds two pages at most: that user's pipes are over their common limit, or a program "
            "made them so small.");
    finding.evidence.push_back(cat("pipe ", pipes.front(), ": ", scene.describe(pipes.front())));
    finding.evidence.push_back(cat("visible pipes of uid ", user, ": ", pages,
                                   " pages; fs.pipe-user-pages-soft: ", limit));
    examination.findings.push_back(std::move(finding));
  }
}

bool is_known_to_resize(const Process& process) {
  const auto& names = process.environment_names;
  return is_program(process, {"zfs", "mbuffer", "pv"}) ||
         std::ranges::find(names, "ZFS_SET_PIPE_MAX") != names.end();
}

const Process* resizer_of(const Scene& scene, ino_t pipe) {
  for (const std::vector<Holder>* holders : {&scene.readers(pipe), &scene.writers(pipe)}) {
    for (const Holder& holder : *holders) {
      if (holder.process->looked_at && is_known_to_resize(*holder.process)) return holder.process;
    }
  }
  return nullptr;
}

void look_for_resized_pipes(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const auto& [inode, facts] : scene.now().pipes) {
    const procfs::PipeFacts* before = scene.facts_before(inode);
    if (!facts.capacity || before == nullptr || !before->capacity) {
      continue;
    }
    // Ours have their size from birth.
    if (scene.gate(inode) != nullptr) continue;
    const bool changed = before->capacity != facts.capacity;
    if (!changed && *facts.capacity == kDefaultCapacity) continue;
    const Process* resizer = resizer_of(scene, inode);
    if (resizer == nullptr && changed) resizer = first_known(scene.readers(inode));
    if (resizer == nullptr) continue;
    Finding finding = word_about(examination, rule, *resizer, inode, Severity::info,
                                 changed ? Certainty::certain : Certainty::likely);
    finding.sentence = changed
                           ? cat("Pipe ", inode, " was given another size while we looked, from ",
                                 *before->capacity, " to ", *facts.capacity, " bytes.")
                           : cat("Pipe ", inode, " was given ", *facts.capacity,
                                 " bytes, probably by ", name_of(*resizer), ".");
    if (kernel_has_lost_wakeup(scene.now().machine.kernel)) {
      finding.sentence += cat(" On kernel ", scene.now().machine.kernel,
                              " that may lose the writer's wakeup (R01).");
    }
    finding.evidence.push_back(cat("pipe ", inode, ": ", scene.describe(inode)));
    examination.findings.push_back(std::move(finding));
  }
}

void look_for_packet_mode(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  std::set<ino_t> told;
  for (const Process* process : scene.processes()) {
    if (!process->descriptors) continue;
    for (const Descriptor& file : *process->descriptors) {
      if (!file.is_pipe() || !file.writes || !file.packet_mode()) continue;
      if (file.inode == 0 || !told.insert(file.inode).second) continue;
      Finding finding =
          word_about(examination, rule, *process, file.inode, Severity::info, Certainty::certain);
      finding.sentence = cat("Pipe ", file.inode, ", which ", name_of(*process),
                             " writes, is in packet mode: each write takes a page of it, so a few "
                             "small ones fill it.");
      finding.evidence.push_back(cat(name_of(*process), ": descriptor ", file.fd,
                                     " has O_DIRECT; pipe ", scene.describe(file.inode)));
      examination.findings.push_back(std::move(finding));
    }
  }
}

// Its own conduct shows that it expects calls to wait: it sleeps in a plain read or write of one
// stream, while the other one would answer "try again".
int unexpected_nonblocking_fd(const Scene& scene, const Process& process) {
  const Wait* wait = steady_wait(scene, process, {WaitKind::pipe_read, WaitKind::pipe_write});
  if (wait == nullptr || wait->fd < 0 || wait->fd > 1 || process.tasks.size() != 1) return -1;
  const int other = 1 - wait->fd;
  const Descriptor* file = descriptor_of(process, other);
  if (file == nullptr || !file->is_pipe() || !file->nonblocking()) return -1;
  const bool has_loop = std::ranges::any_of(*process.descriptors, [](const Descriptor& each) {
    return each.kind == procfs::FileKind::epoll;
  });
  return has_loop ? -1 : other;
}

void look_for_nonblocking_stages(Examination& examination, const RuleInfo& rule) {
  const Scene& scene = examination.scene;
  for (const Process* process : scene.processes()) {
    if (!process->descriptors) continue;
    const int fd = unexpected_nonblocking_fd(scene, *process);
    if (fd < 0) continue;
    Finding finding = word_about(examination, rule, *process, pipe_at(*process, fd),
                                 Severity::warning, Certainty::likely);
    finding.sentence =
        cat(name_of(*process), " reads and writes as if calls would wait, but its ",
            fd == 0 ? "standard input" : "standard output",
            " is non-blocking: somebody who shares it has set that. It may end, or lose bytes, "
            "with \"Resource temporarily unavailable\".");
    finding.evidence.push_back(
        cat("descriptor ", fd, " of ", name_of(*process), " has O_NONBLOCK (fdinfo flags 04000)"));
    examination.findings.push_back(std::move(finding));
  }
}

constexpr Rule kRules[] = {
    {{.id = "R06",
      .name = "full by slots, not by bytes",
      .signature = "A writer sleeps on a pipe that does not poll writable, though fewer bytes are "
                   "in it than it can hold.",
      .sentence = "A pipe is a ring of pages, and a write that does not fit behind the last one "
                  "takes a page of its own: the pipe is full long before its bytes are.",
      .advice = "Nothing is wrong with the pipe. Look at its reader.",
      .reference = "FelixKrueger/TrimGalore#207, PowerDNS/pdns#8196"},
     look_for_full_by_slots},
    {{.id = "R07",
      .name = "pipes shrunk by the user's limit",
      .signature = "Pipes of an ordinary user hold one or two pages; the sum of that user's pipes "
                   "is near fs.pipe-user-pages-soft.",
      .sentence = "Over that limit each new pipe gets two pages, and growing one is refused. All "
                  "processes of the user count together, in all containers.",
      .advice = "Raise fs.pipe-user-pages-soft, use fewer or smaller pipes, or another user.",
      .reference = "FelixKrueger/TrimGalore#207, rust-lang/cargo#9739, capnproto/capnproto#1403"},
     look_for_shrunk_pipes},
    {{.id = "R08",
      .name = "a stage resizes a live pipe",
      .signature = "A pipe's capacity differs between the snapshots, or from the default while "
                   "zfs, mbuffer or pv holds an end of it.",
      .sentence = "Harmless by itself; on some kernels it is what loses a wakeup (R01).",
      .advice = "For zfs 2.2 and later, do not set ZFS_SET_PIPE_MAX. A pipe that has its full size "
                "before it is handed out is not resized.",
      .reference = "openzfs/zfs#3171, openzfs/zfs#13309, openzfs/zfs#4281"},
     look_for_resized_pipes},
    {{.id = "R09",
      .name = "pipe in packet mode",
      .signature = "The flags of a write end contain O_DIRECT (040000 in fdinfo).",
      .sentence = "Each write is a packet and takes a page: sixteen single bytes fill a pipe.",
      .advice = "Make the pipe without O_DIRECT.",
      .reference = "pipe(2), measured"},
     look_for_packet_mode},
    {{.id = "R10",
      .name = "non-blocking by inheritance",
      .signature = "A stage with one thread and no event loop sleeps in a plain read or write of "
                   "one of its standard streams, while the other is a pipe with O_NONBLOCK.",
      .sentence = "The flag belongs to the open file, not to the process: whoever shares it can "
                  "set it for all.",
      .advice = "Give each stage a pipe end of its own, and clear the flag before it starts. From "
                "outside it must not be touched.",
      .reference = "curl/curl#3239, oven-sh/bun#33560, dotnet/corefx#23539, olsner/jobclient#3"},
     look_for_nonblocking_stages},
};

}  // namespace

std::span<const Rule> capacity_rules() {
  return kRules;
}

}  // namespace penstock::doctor
