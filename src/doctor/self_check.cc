#include "doctor/self_check.h"

#include <algorithm>

#include "base/text.h"
#include "doctor/picture.h"
#include "doctor/pipe_bug.h"

namespace penstock::doctor {

namespace {

Check check_kernel(const SelfFacts& facts) {
  Check check{.name = "kernel", .what = cat("kernel ", printable(facts.machine.kernel))};
  const std::string tried = !facts.race ? "it could not be provoked here"
                            : facts.race->provoked
                                ? cat("PROVOKED in attempt ", facts.race->attempts)
                                : cat("not provoked in ", facts.race->attempts, " attempts");
  const bool is_listed = kernel_has_lost_wakeup(facts.machine.kernel);
  if (facts.race && facts.race->provoked) {
    check.level = Level::bad;
    check.why =
        cat("it has the lost wakeup (CVE-2023-52672): ", tried,
            "; a pipeline whose reader resizes its pipe may hang for ever. penstock run and "
            "queue-process keep clear of it; other pipelines: penstock doctor PID --heal");
  } else if (is_listed) {
    check.level = Level::careful;
    check.why = cat("its version had the lost wakeup (CVE-2023-52672); ", tried,
                    ", so it may have been mended by the distribution");
  } else {
    check.why = cat("not among those with the lost wakeup (CVE-2023-52672); ", tried);
  }
  return check;
}

Check check_pipe_size(const SelfFacts& facts) {
  const size_t largest = facts.machine.pipe_max_size;
  Check check{.name = "pipe-max-size", .what = cat("pipes of up to ", human_bytes(largest))};
  if (largest < 1U << 20U) {
    check.level = Level::careful;
    check.why = "fs.pipe-max-size is below the usual 1 MiB: no harm, but a little slower";
  }
  return check;
}

Check check_budget(const SelfFacts& facts) {
  const uint64_t pages = facts.pages_in_pipes;
  const std::string used = cat(facts.pipes, facts.pipes == 1 ? " pipe takes " : " pipes take ",
                               human_bytes(pages * facts.machine.page_size));
  Check check{.name = "pipe-budget"};
  const uint64_t soft = facts.machine.pipe_user_pages_soft.value_or(0);
  if (facts.machine.looker == 0) {
    check.what = cat(used, "; root has no limit");
    return check;
  }
  if (soft == 0) {
    check.what = cat(used, "; no limit is set");
    return check;
  }
  check.what = cat(used, " of the ", human_bytes(soft * facts.machine.page_size),
                   " that this user may have");
  if (pages >= soft) {
    check.level = Level::bad;
    check.why =
        "beyond fs.pipe-user-pages-soft new pipes hold two pages and cannot grow (R07): raise it, "
        "or run less at once";
  } else if (pages > soft / 2) {
    check.level = Level::careful;
    check.why =
        cat(human_bytes((soft - pages) * facts.machine.page_size),
            " are left; beyond half of the limit Penstock makes no large pipes any more (R07)");
  }
  return check;
}

Check check_view(const SelfFacts& facts) {
  Check check{.name = "view"};
  const bool is_mighty = facts.machine.looker == 0 || facts.may_trace;
  if (facts.unreadable == 0) {
    check.what = "every process can be looked at";
  } else {
    check.what = cat("the descriptors of ", facts.unreadable,
                     facts.unreadable == 1 ? " process" : " processes", " are hidden from us");
    check.level = Level::careful;
    check.why = is_mighty ? "even from this user: another namespace, or a security module"
                          : "they belong to other users, or have changed theirs: what waits there "
                            "is unknown to us; run as root to see";
  }
  return check;
}

Check check_trace(const SelfFacts& facts) {
  Check check{.name = "ptrace", .what = "what a process sleeps in is told"};
  const bool is_mighty = facts.machine.looker == 0 || facts.may_trace;
  if (!facts.machine.has_syscall_file) {
    check.level = Level::careful;
    check.what = "this kernel has no /proc/PID/syscall";
    check.why = "which descriptor a process sleeps on is concluded from its sleep and its table";
  } else if (facts.machine.ptrace_scope > 0 && !is_mighty) {
    check.level = Level::careful;
    check.what = cat("kernel.yama.ptrace_scope is ", facts.machine.ptrace_scope);
    check.why =
        "which call a process sleeps in is not told to this user; it is concluded from its sleep "
        "and its table, or unknown: run as root to see";
  } else if (facts.machine.ptrace_scope > 2) {
    check.level = Level::careful;
    check.what = "kernel.yama.ptrace_scope is 3";
    check.why = "which call a process sleeps in is told to nobody, not even to root";
  }
  return check;
}

Check check_proc(const SelfFacts& facts) {
  Check check{.name = "hidepid", .what = "/proc shows all processes"};
  if (!facts.proc_hides.empty()) {
    check.what = cat("/proc is mounted with hidepid=", printable(facts.proc_hides));
    if (facts.machine.looker != 0) {
      check.level = Level::careful;
      check.why = "other users' processes are hidden from us altogether; run as root to see";
    }
  }
  return check;
}

Check check_cgroup(const SelfFacts& facts) {
  Check check{.name = "cgroup"};
  if (facts.cgroup.empty()) {
    check.what = "no control groups of version 2 here";
    check.why = "--cgroup will not work; process groups and descriptors do the same work";
  } else if (facts.cgroup_is_delegated) {
    check.what = cat("we may make groups below ", printable(facts.cgroup));
  } else {
    check.what = cat("we may not make groups below ", printable(facts.cgroup));
    check.why = "--cgroup will not work unless the group is delegated (systemd: Delegate=yes)";
  }
  return check;
}

Check check_gpg(const SelfFacts& facts) {
  Check check{.name = "gpg-agent"};
  if (!facts.gpg_is_installed) {
    check.what = "gpg is not installed";
  } else if (facts.gpg_agent_runs) {
    check.what = "a gpg-agent of this user is running";
  } else {
    check.level = Level::careful;
    check.what = "no gpg-agent of this user is running";
    check.why =
        "the first gpg of a pipeline starts one, and may wait there for a passphrase; start it "
        "before: gpgconf --launch gpg-agent";
  }
  return check;
}

Check check_shell(const SelfFacts& facts) {
  Check check{.name = "shell"};
  if (facts.shell.empty()) {
    check.what = "SHELL is not set; /bin/sh stands in";
  } else {
    check.what = cat("SHELL is ", printable(facts.shell));
  }
  if (!facts.shell_is_understood) {
    check.level = Level::careful;
    check.why =
        "decoder strings in its language are left to it: the status of each stage is not seen";
  } else if (!facts.shell_has_pipefail) {
    check.why =
        "it has no pipefail: what must be left to it hides failures inside (--strict-decoder)";
  }
  return check;
}

Check check_zfs_environment(const SelfFacts& facts) {
  Check check{.name = "ZFS_SET_PIPE_MAX", .what = "ZFS_SET_PIPE_MAX is not set"};
  if (facts.zfs_set_pipe_max) {
    check.level = kernel_has_lost_wakeup(facts.machine.kernel) ? Level::bad : Level::careful;
    check.what = "ZFS_SET_PIPE_MAX is set";
    check.why =
        "zfs will resize its pipe, which loses a wakeup on some kernels (R01); unset it where it "
        "is set";
  }
  return check;
}

// Whether "2.1.5-1" is before 2.2.
bool resizes_by_itself(std::string_view version) {
  const size_t point = version.find('.');
  const auto major = parse_u64(version.substr(0, point));
  if (!major || point == std::string_view::npos) return false;
  std::string_view rest = version.substr(point + 1);
  const auto minor = parse_u64(rest.substr(0, rest.find_first_not_of("0123456789")));
  return *major < 2 || (*major == 2 && minor && *minor < 2);
}

Check check_zfs(const SelfFacts& facts) {
  Check check{.name = "zfs"};
  if (facts.zfs_version.empty()) {
    check.what = "the ZFS module is not loaded";
    return check;
  }
  check.what = cat("ZFS ", printable(facts.zfs_version));
  if (resizes_by_itself(facts.zfs_version)) {
    const bool hurts = kernel_has_lost_wakeup(facts.machine.kernel);
    if (hurts) check.level = Level::careful;
    check.why = cat("zfs receive before 2.2 resizes its pipe",
                    hurts ? ", which loses a wakeup on this kernel (R01): set ZFS_NO_PIPE_MAX=1"
                          : "; this kernel bears it");
  }
  return check;
}

}  // namespace

std::string_view name_of(Level level) {
  switch (level) {
    case Level::ok:
      return "OK";
    case Level::careful:
      return "careful";
    case Level::bad:
      return "bad";
  }
  return "bad";
}

std::vector<Check> check_self(const SelfFacts& facts) {
  return {check_kernel(facts), check_pipe_size(facts),
          check_budget(facts), check_view(facts),
          check_trace(facts),  check_proc(facts),
          check_cgroup(facts), check_gpg(facts),
          check_shell(facts),  check_zfs_environment(facts),
          check_zfs(facts)};
}

std::string explain_checks(const std::vector<Check>& checks, size_t width) {
  std::string out;
  for (const Check& check : checks) {
    std::string level(name_of(check.level));
    level.resize(9, ' ');
    out +=
        wrapped(level, cat(check.what, check.why.empty() ? "" : ": ", check.why), {.width = width});
  }
  return out;
}

}  // namespace penstock::doctor
