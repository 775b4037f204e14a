#include "doctor/strays.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "doctor/looking.h"

namespace penstock::doctor {

using procfs::Descriptor;
using procfs::FileKind;

namespace {

// "--status-fd 5", "/dev/fd/63", ">&5": it was told of the descriptor, and may use it.
bool mentions(const Process& process, int fd) {
  if (!process.arguments) return true;
  const std::string number = std::to_string(fd);
  const auto is_digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  return std::ranges::any_of(*process.arguments, [&](const std::string& word) {
    // What is opened by such a name gets another number.
    if (word.find("/dev/fd/") != std::string::npos) return true;
    if (word.find("/proc/") != std::string::npos) return true;
    for (size_t at = word.find(number); at != std::string::npos; at = word.find(number, at + 1)) {
      const bool starts = at == 0 || !is_digit(word[at - 1]);
      const size_t end = at + number.size();
      if (starts && (end == word.size() || !is_digit(word[end]))) return true;
    }
    return false;
  });
}

// Its parent has ended, and an init or a subreaper has taken it in.
bool is_orphan(const Scene& scene, const Process& process, const Process& reader) {
  const pid_t parent = process.stat.parent;
  // Under an init of its own (a script that is process 1), brothers are brothers.
  if (parent == reader.stat.parent) {
    // The keeper takes in what its stages leave behind, and knows its stages.
    const Process* keeper = scene.find(parent);
    if (keeper == nullptr || keeper->stat.comm != "gatekeeper" || scene.gates().empty()) {
      return false;
    }
    return std::ranges::none_of(scene.gates(), [&](const GateText& gate) {
      return std::ranges::any_of(gate.stages,
                                 [&](const auto& stage) { return stage.id == process.id(); });
    });
  }
  if (parent == 1) {
    const Process* init = scene.find(1);
    return init == nullptr || init->stat.group != process.stat.group;
  }
  const Process* reaper = scene.find(parent);
  return reaper != nullptr && reaper->stat.session != process.stat.session &&
         (is_program(*reaper, {"systemd", "init", "tini", "dumb-init", "catatonit", "runsvdir",
                               "s6-svscan", "conmon"}) ||
          reaper->stat.comm.starts_with("containerd-shim"));
}

bool is_agent(const Process& process) {
  return is_program(process, {"gpg-agent", "dirmngr", "keyboxd", "scdaemon", "ssh-agent",
                              "gnome-keyring-d", "pass-agent"});
}

bool has_rested(const Scene& scene, const Process& process) {
  return was(scene, process) != nullptr && !scene.moved(process.stat.pid);
}

// Nothing but `input` can wake it: no other pipe that it reads, no socket, no timer.
bool has_no_other_input(const Process& process, ino_t input) {
  return std::ranges::all_of(*process.descriptors, [&](const Descriptor& file) {
    if (file.is_pipe()) return !file.reads || file.inode == input;
    return file.kind == FileKind::path || file.kind == FileKind::epoll ||
           file.kind == FileKind::memfd || (file.kind == FileKind::tty && file.fd > 0);
  });
}

// It gets its input from `user`, who waits for it in turn, or from others who do: it can bring
// nothing to an end that `user` waits for.
bool waits_behind(const Scene& scene, const Process& process, const Process& user,
                  size_t steps = 16) {
  const ino_t input = pipe_at(process, 0);
  if (input == 0 || steps == 0 || scene.is_empty(input) != true) return false;
  if (!is_at_rest(scene, process) || !has_no_other_input(process, input)) return false;
  if (steady_wait(scene, process, {WaitKind::pipe_read, WaitKind::poll}) == nullptr) return false;
  const std::vector<Holder>& writers = scene.writers(input);
  return !writers.empty() && std::ranges::all_of(writers, [&](const Holder& writer) {
    return writer.process == &user || waits_behind(scene, *writer.process, user, steps - 1);
  });
}

// What kind of wrong hands, seen from `user`, who sleeps on the pipe.
Stray stray_kind(const Scene& scene, const Holder& holder, const Process& user, ino_t pipe) {
  const Process& process = *holder.process;
  if (!process.looked_at || !has_rested(scene, process)) return Stray::no;
  const auto is_kin = [&] {
    return scene.is_ancestor(process.stat.pid, user.stat.pid) ||
           scene.is_ancestor(user.stat.pid, process.stat.pid);
  };
  if (is_mux_master(process)) return Stray::mux;
  if (is_agent(process)) return Stray::agent;
  if (is_orphan(scene, process, user)) return is_kin() ? Stray::no : Stray::orphan;
  // One that became another program with a descriptor that it was not told of.
  if (!holds_beyond(holder, 2) || is_shell(process) || !process.exe || process.exe == user.exe ||
      is_kin()) {
    return Stray::no;
  }
  // A neighbour in a shell's pipeline may have moved its standard output, as ssh does; not one
  // that waits for what comes out of the very pipe.
  const bool is_neighbour =
      process.stat.group == user.stat.group && process.stat.parent == user.stat.parent;
  if (is_neighbour && !waits_behind(scene, process, user)) return Stray::no;
  const Process* parent = scene.find(process.stat.parent);
  if (parent != nullptr && parent->exe && parent->exe == process.exe) return Stray::no;
  if (holds_both_ends(scene, process, pipe)) return Stray::no;
  // By a name on disk it was opened on purpose.
  const bool on_purpose = std::ranges::any_of(holder.fds, [&](int fd) {
    const Descriptor* file = descriptor_of(process, fd);
    return file == nullptr || file->kind != FileKind::pipe || mentions(process, fd);
  });
  return on_purpose ? Stray::no : Stray::outsider;
}

std::string control_path(const Process& master) {
  for (const std::string& word : *master.arguments) {
    // "ssh: /home/u/.ssh/cm-host [mux]" is one word, for the master writes over its arguments.
    const size_t end = word.find(" [mux]");
    if (end == std::string::npos) continue;
    const size_t start = word.find(": ");
    if (start != std::string::npos && start + 2 < end)
      return word.substr(start + 2, end - start - 2);
  }
  return "PATH";
}

}  // namespace

bool is_shell(const Process& process) {
  return is_program(process, {"sh", "bash", "dash", "ash", "ksh", "zsh", "fish", "busybox"});
}

bool is_mux_master(const Process& process) {
  if (process.stat.comm != "ssh") return false;
  return process.arguments && std::ranges::any_of(*process.arguments, [](const std::string& word) {
           return word.find("[mux]") != std::string::npos;
         });
}

bool holds_beyond(const Holder& holder, int last) {
  return std::ranges::all_of(holder.fds, [&](int fd) { return fd > last; });
}

bool holds_both_ends(const Scene& scene, const Process& process, ino_t pipe) {
  const auto has = [&](const std::vector<Holder>& holders) {
    return std::ranges::any_of(holders,
                               [&](const Holder& holder) { return holder.process == &process; });
  };
  return has(scene.readers(pipe)) && has(scene.writers(pipe));
}

bool may_have_hidden_stage(const Scene& scene, const Process& user) {
  return std::ranges::any_of(scene.now().processes, [&](const auto& entry) {
    const Process& other = entry.second;
    if (other.descriptors || other.is_zombie() || other.stat.kernel_thread) return false;
    return other.stat.session == user.stat.session || other.stat.group == user.stat.group ||
           (user.stat.parent > 1 && scene.is_ancestor(user.stat.parent, other.stat.pid));
  });
}

std::vector<std::pair<const Holder*, Stray>> only_strays(const Scene& scene,
                                                         const std::vector<Holder>& holders,
                                                         const Process& user, ino_t pipe) {
  auto strays = only_strays_seen(scene, holders, user, pipe);
  if (!strays.empty() && may_have_hidden_stage(scene, user)) return {};
  return strays;
}

std::vector<std::pair<const Holder*, Stray>> only_strays_seen(const Scene& scene,
                                                              const std::vector<Holder>& holders,
                                                              const Process& user, ino_t pipe) {
  std::vector<std::pair<const Holder*, Stray>> strays;
  for (const Holder& holder : holders) {
    if (holder.process == &user) continue;
    const Stray kind = stray_kind(scene, holder, user, pipe);
    if (kind == Stray::no) return {};
    strays.emplace_back(&holder, kind);
  }
  return strays;
}

Remedy remedy_for(const Process& holder, Stray kind) {
  Remedy remedy = end_holder(holder, "whatever else it does ends, too");
  if (kind == Stray::mux) {
    remedy.command = cat("ssh -O exit -o ControlPath=", shell_quote(control_path(holder)), " host");
    remedy.risk = "other sessions over that connection end";
  }
  if (kind == Stray::agent) remedy.risk = "it forgets what it was told; it starts anew when needed";
  return remedy;
}

std::string_view what_it_is(Stray kind) {
  switch (kind) {
    case Stray::mux:
      return ", a connection that ssh keeps open for later";
    case Stray::agent:
      return ", an agent that was started on the way";
    case Stray::orphan:
      return ", left behind by a process that has ended";
    default:
      return ", which has nothing to do with it";
  }
}

}  // namespace penstock::doctor
