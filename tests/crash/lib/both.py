"""Both killed at once, or a little apart: figures more than a test."""
import random, signal, time

from .failure import Failure, TooLate
from .place import Place
from .processes import describe, end_all, left_behind, signal_to
from .queue_run import PATIENCE, start_streaming
from .variants import LARGE, Variant

APART = (0, 0.001, 0.01)  # seconds


def part_both(bench, rounds, seed, worker, report):
    for index in rounds:
        chance = random.Random(seed * 1_000_003 + index)
        command = ("single", "script")[index % 2]
        apart = APART[index // 2 % len(APART)]
        first = index // 6 % 2
        variant = Variant(command, LARGE, ("hold", "eof")[index // 12 % 2], "zstd")
        place = Place(bench, f"both-{index}", variant)
        what = f"both {index}: {variant}, {apart} s apart"
        try:
            run = start_streaming(bench, place, variant, chance)
            run.find_keeper()
            victims = (run.pidfd, run.keeper)
            if run.keeper is None or place.check_commits():
                raise TooLate("the run is over")
            signal_to(victims[first], signal.SIGKILL)
            end = time.monotonic() + apart
            while time.monotonic() < end:
                pass
            signal_to(victims[not first], signal.SIGKILL)
            run.survivors_end()
            # Whoever has escaped goes on to its end.
            end = time.monotonic() + PATIENCE
            stuck = 0
            while rest := left_behind():
                stuck = stuck + 1 if all("[T]" in describe(pid) for pid in rest) else 0
                if stuck > 20 or time.monotonic() > end:
                    break
                time.sleep(0.005)
            stopped = bool(rest)
            end_all()
            try:
                place.check_commits()
                saved = True
            except Failure:
                saved = False
            run.close()
            report(what, None, figure=[command, apart, saved, stopped])
            place.remove()
        except TooLate:
            run.close()  # one trial less
            end_all()
        except Failure as failure:
            report(what, str(failure))
            end_all()


def judge(reports):
    """Why it is too often that a command of one process was not ended in time; None if it is not. Now and then it happens:
    the kernel closes what a dying process holds a moment before it kills its children."""
    mine = [report for report in reports if report.get("figure", [""])[0] == "single"]
    bad = [report["what"] for report in mine if not report["figure"][2] or report["figure"][3]]
    return "a command of one process was not saved: " + "; ".join(bad) if len(bad) > max(2, len(mine) // 50) else None


def print_figures(reports):
    figures = [report["figure"] for report in reports if "figure" in report]
    for apart in APART:
        for command in ("single", "script"):
            mine = [figure for figure in figures if figure[:2] == [command, apart]]
            saved = sum(figure[2] for figure in mine)
            stopped = sum(figure[3] for figure in mine)
            print(f"figures: both killed {f'{apart * 1000:.0f} ms apart' if apart else 'at once'}, "
                  f"{'one process' if command == 'single' else 'a shell script'}: "
                  f"no false commit in {saved} of {len(mine)}; {stopped} left stopped")
