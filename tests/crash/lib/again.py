"""Runs, each right after the one before: none finds the lock held."""
from .failure import Failure
from .place import Place
from .processes import end_all
from .queue_run import Run
from .variants import SMALL, Variant


def part_again(bench, rounds, seed, worker, report):
    variant = Variant("single", SMALL, "hold", "zstd")
    place = Place(bench, f"again-{worker}", variant, jobs=0)
    for index in rounds:
        place.jobs += 1
        place.add(bench, place.jobs)
        run = Run(bench, place, variant)
        try:
            status = run.wait()
            if status != 0:
                raise Failure(f"it ends with {status}: {run.said()!r}")
            place.check_end()
            report(f"again {index}")
        except Failure as failure:
            report(f"again {index}", str(failure))
            end_all()
            return
        finally:
            run.close()
    place.remove()
