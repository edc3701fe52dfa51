"""Every promise of the campaign, in the order of the table."""

from faults import kills, mutations, surroundings
from faults.promise import Promise

__all__ = ["PROMISES"]

PROMISES = {
    "writing": Promise(
        "A run that is killed while it writes ends in the same bytes",
        "killed at every change of a file (open, write, fsync, rename, unlink, mkdir, truncate), "
        "in the middle of a write too; then resumed",
        kills.while_writing,
        least=50,
    ),
    "recovering": Promise(
        "A run that is killed while it recovers ends in the same bytes",
        "killed three times at random changes, two of them early in resuming; then resumed",
        kills.while_recovering,
        least=100,
    ),
    "sweeping": Promise(
        "A sweep that is killed ends in the same runs and table",
        "killed at every third change of a file; then started again",
        kills.while_sweeping,
        least=30,
    ),
    "building": Promise(
        "A file of tensors, such as a built data set, is whole or absent",
        "killed at every change of a file",
        kills.while_building,
        least=5,
    ),
    "mutations": Promise(
        "No changed file of a run changes a result in silence or ends in a raw error",
        "bits, digits, blocks, lines, ends, whole files of finished and unfinished runs changed, "
        "lost or taken from another run; then read, checked and resumed",
        mutations.of_runs,
        least=500,
    ),
    "measurements": Promise(
        "No changed file of a measurement is read as another one",
        "the same changes of a file by itself",
        mutations.of_measurements,
        least=200,
    ),
    "full": Promise(
        "A full disk is said, and nothing is lost",
        "a limit on the size of files at which each file in turn does not fit; then resumed",
        surroundings.full_disk,
        least=10,
    ),
    "locks": Promise(
        "Without locks a run trains, with a warning",
        "flock answers ENOSYS, ENOLCK, EOPNOTSUPP, EINVAL",
        surroundings.no_locks,
        least=4,
    ),
    "fsync": Promise(
        "Without fsync a run trains",
        "fsync of files and folders answers EINVAL, ENOSYS, EOPNOTSUPP",
        surroundings.no_fsync,
        least=3,
    ),
    "hostile": Promise(
        "What was made to do harm is refused by name and reaches nothing outside its folder",
        "values, versions, depths, headers, names, links and pipes",
        surroundings.hostile,
        least=60,
    ),
    "listing": Promise(
        "200 finished runs are recognized in under a second",
        "a folder of 200 runs, as a resumed sweep looks at it",
        surroundings.listed,
        least=200,
    ),
}
