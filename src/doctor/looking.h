// What rules ask alike: who is asleep for good, who is part of a pipeline, who waits for whom; and
// the makings of a finding.
#pragma once

#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/rule.h"

namespace penstock::doctor {

// Processes.
const procfs::Process* was(const Scene& scene, const Process& process);  // in the first snapshot
// The program's name: of the executable as it was called, else what the kernel calls the process.
// Lives as long as the process.
std::string_view program_of(const Process& process);
// A daemon that reads other programs' logs through pipes, at descriptors of its own choice.
bool keeps_logs(const Process& process);
bool is_program(const Process& process, std::initializer_list<std::string_view> names);
const procfs::Descriptor* descriptor_of(const Process& process, int fd);
// The pipe behind a descriptor; 0: none.
ino_t pipe_at(const Process& process, int fd);

// Sleep.
// A thread of it that sleeps so in both snapshots; nothing if none does.
const Wait* steady_wait(const Scene& scene, const Process& process,
                        std::initializer_list<WaitKind> kinds);
// No thread has run between the snapshots, no counter has moved, and we were told what they sleep
// in.
bool is_at_rest(const Scene& scene, const Process& process);
// How long no thread of it has run; nothing if one is not told.
std::optional<double> resting_for(const Scene& scene, const Process& process);
// Whether it has rested for so long: by what is told, else by the time between the snapshots.
bool rests_longer_than(const Scene& scene, const Process& process, double seconds);
// "is asleep in read, pipe 81234 (pipe_read)"; a verb and what belongs to it.
std::string what_it_does(const Scene& scene, const Process& process);

// Pipelines.
// Whether it holds an end of a pipe whose other end somebody else holds.
bool is_stage(const Scene& scene, const Process& process);
// All that hang together with it by pipes, itself included, by their pids: no parents and children
// of each other, unless a gate lies between.
std::set<pid_t> pipeline_of(const Scene& scene, const Process& process);
Node node_of(const Process& process);
// Where the strong edges lead from there: the process that waits for nobody, or the last one before
// a circle closes.
Node root_of(const WaitGraph& graph, Node node);
// Its input has ended: nothing is in it, and nobody is left to write.
bool input_ended(const Scene& scene, const Process& process);
// A receiver or another command that got its whole input and is still at work on disk (R47).
bool is_in_commit_tail(const Scene& scene, const Process& process);

// Findings.
// With the victims filled in, the pid-0 culprit included.
Finding finding_about(const Examination& examination, const RuleInfo& rule, const Process& culprit);
// As the nearest one, if it is none yet.
void add_victim(Finding& finding, const Process& process);
bool has_victims(const Examination& examination, const Process& process);
// Stuck if it holds up anybody, or is part of a pipeline; else a warning.
Severity weight_of(const Examination& examination, const Process& process);
// What a person does: nothing of ours.
Remedy by_hand(const Process& target, std::string command, std::string risk);
Remedy end_holder(const Process& target, std::string risk);
Remedy end_pipeline(const Scene& scene, const Process& target);

}  // namespace penstock::doctor
