// A diagnosis in words, for a terminal, and as a graph for Graphviz.
#pragma once

#include <string>

#include "doctor/diagnose.h"
#include "doctor/picture.h"

namespace penstock::doctor {

// What the whole diagnosis comes to.
enum class Verdict : uint8_t {
  fine,     // nothing is stuck, as far as could be seen
  stuck,    // something is
  unknown,  // nobody could be judged at all
};
Verdict verdict_of(const Diagnosis& diagnosis, const Scene& scene);

// Whoever was asked for by name and shows neither its sleep nor its descriptors is unknown, also
// where nobody is seen to wait for it; and so is one whose sleep ends by what nobody shows, if it
// was asked for or is what they wait for. Adds those to `diagnosis`; true if that is all that can
// be said of those asked for.
bool admit_unknown(Diagnosis& diagnosis, const Scene& scene, const std::vector<ProcessId>& named);

// Headlines with their pictures, what was seen and what may be done; one sentence where nothing is
// stuck. `scene` is the one that was judged.
std::string explain(const Diagnosis& diagnosis, const Scene& scene, const Canvas& canvas);
// Every pipeline as a picture, then who waits for whom, then the headlines.
std::string explain_graph(const Diagnosis& diagnosis, const Scene& scene, const Canvas& canvas);
// The wait-for graph in the language of dot(1); culprits are marked.
std::string to_dot(const Diagnosis& diagnosis, const Scene& scene);

// "STUCK for 3 min 12 s: lost wakeup (R01, certain)"
std::string headline(const Finding& finding);
// "3 min 12 s"
std::string describe_duration(double seconds);

}  // namespace penstock::doctor
