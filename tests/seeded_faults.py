"""Faults put into the program one by one: each has to make a test fail.

`python -m tests.seeded_faults` works on a copy of the tree and runs for each fault only the tests
that should catch it; words after it choose the faults whose names hold them all. It says before a
suite is cut, and after, that as much is caught.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Fault(NamedTuple):
    """What of the program, wherever it stands, becomes what, and the tests that run."""

    name: str
    sound: str
    faulty: str
    tests: str


FAULTS = """
# tests/test_losses.py
the squared temperature is dropped
- return temperature**2 * tf.reduce_sum(
+ return tf.reduce_sum(
the divergence is taken the other way round
- tf.exp(log_target) * (log_target - log_answer)
+ tf.exp(log_answer) * (log_answer - log_target)
variances are left out of the statistics loss
-  + _length(variance - stored_variance)
the entropy loss is not 0 at its least
-  + tf.math.log(classes)
total variation looks down only
- return down + across
+ return down + down
a generator is paid where both disagree already
- tf.where(same, distances, tf.zeros_like(distances))
+ distances

# tests/training/test_evaluation.py
agreement is with the teacher's least likely class
- same = logits.argmax(axis=-1) == teacher.argmax(axis=-1)
+ same = logits.argmax(axis=-1) == teacher.argmin(axis=-1)

# tests/test_optimizers.py
Muon without Nesterov's step
- gradient + MOMENTUM * momentum, (-1
+ momentum, (-1

# tests/training/test_student.py::test_the_share_of_images_is_mixed_that_was_asked_for
CutMix pastes an image into itself
- tf.roll(images, 1, axis=0)
+ images

# tests/training/test_teacher.py
patience is one epoch too long
- _last_improvement(history) >= config.patience
+ _last_improvement(history) > config.patience

# tests/training/test_state.py
an epoch that agrees as much is the best whatever its divergence
- found[1] < before[1] and best.epoch > 0
+ best.epoch > 0
a student's optimizer begins anew when it is resumed
- put_back(resume.tensors, "optimizer", optimizer.variables)
-             put_back_source
+ put_back_source

# tests/methods/test_noise.py
crafting may stop at its first step
- (loss - new_loss > rules.tolerance) | (step == 0)
+ loss - new_loss > rules.tolerance
crafting without Adam's correction of the bias
- correction = tf.sqrt(1 - BETA_2**time) / (1 - BETA_1**time)
+ correction = tf.sqrt(1 - BETA_2**time)

# tests/methods/test_generator.py
a generator makes what the student knows
- loss -= adversarial_weight * losses.disagreement(
+ loss += adversarial_weight * losses.disagreement(
a generator's loss without stored statistics
- loss += rules.batch_norm_weight * statistics_loss
+ pass

# tests/models/test_batch_norm.py
moving averages move by the other share
- average * self.momentum + value * (1.0 - self.momentum)
+ value * self.momentum + average * (1.0 - self.momentum)
the gradient of a variance without Bessel's correction
- 2.0 * of_variance / (count - 1.0)
+ 2.0 * of_variance / count

# tests/models/test_cloning.py::test_a_linear_layer_takes_its_normalization_in
a folded bias forgets the mean
- scale * ((linear.bias.numpy() if linear.use_bias else 0) - mean)
+ scale * (linear.bias.numpy() if linear.use_bias else 0)

# tests/models/test_pruning.py
the largest channel goes, not the one that the others can replace
- self._scale * energies / diagonal
+ self._scale / np.maximum(energies, 1e-9)

# tests/methods/test_committee.py
a committee asks where it agrees
- falling = np.argsort(-score, kind="stable")
+ falling = np.argsort(score, kind="stable")
rounded probabilities are taken for exact ones
- max(LEAST, positive.min() / 2)
+ max(LEAST, 2 * positive.min())

# tests/methods/test_queries.py
the first round asks for everything
- first = max(1, round(budget * first_share))
+ first = max(1, budget)

# tests/methods/test_candidates.py
questions are asked again
- np.setdiff1d(np.arange(1, len(self._images) + 1), known[:, 0])
+ np.arange(1, len(self._images) + 1)

# tests/teachers/test_asking.py
a retry may pass the budget
- if self.left < len(questions):
+ if self.left < 0:
the wait between attempts is always the same
- self._rules.wait * 2 ** (attempt - 1)
+ self._rules.wait

# tests/teachers/test_checking.py
logits pass for probabilities
- if low < -SUM_TOLERANCE:
+ if low < -1e9:

# tests/storage/test_atomic.py
a failed write leaves its temporary file
-     finally:
-         _remove(temporary)
+     finally:
+         pass

# tests/storage/test_safe_hdf5.py
links out of a weights file are followed
- group.links.get_info(name).type != h5l.TYPE_HARD
+ group.links.get_info(name).type == h5l.TYPE_SOFT
numbers in another file are read
- if layout.get_nfilters() or layout.get_external_count():
+ if layout.get_nfilters():

# tests/storage/test_raw_checks.py
a piece of text may pass the end of its heap
- if step < _PIECE.size or place + step > size:
+ if step < _PIECE.size:

# tests/storage/test_metadata.py
facts changed by hand are believed
- if _digest(document) != file.text_attribute(_HASH):
+ if not file.text_attribute(_HASH):
a checkpoint of a newer format is read as if it were ours
- if schema > newest:
+ if schema > newest + 1:

# tests/datasets/test_pixel_scale.py
bicubic overshoots of 0 to 1 are taken for bytes
- if scale is BYTES and found.high < 2:
+ if scale is BYTES and found.high < 1:

# tests/datasets/test_npz.py
labels below 0 are read
- if raw.size and not 0 <= int(raw.min()) <=
+ if raw.size and not int(raw.min()) <=

# tests/datasets/test_dataset.py
validation images are trained on
- return order[held_out:], order[:held_out]
+ return order, order[:held_out]

# tests/datasets/test_class_matching.py
of two outputs of one name the first is taken
- if len(outputs) > 1:
+ if len(outputs) > 2:

# tests/datasets/test_images.py
a shift uncovers the other border
- return size - 1 - tf.abs(size - 1 - tf.abs(index))
+ return index % size

# tests/foreign/onnx/test_operators.py
SAME pads the wrong side more
- pads.append((total // 2, total - total // 2))
+ pads.append((total - total // 2, total // 2))
ceil_mode counts windows beyond the image
- count -= (count - 1) * stride >= size + before
+ count -= 0

# tests/foreign/tflite/test_operators.py
the softmax of TFLite ignores beta
- if beta != 1.0:
+ if beta == 0.0:

# tests/models/test_input_range.py
blue and red are not swapped
- return images[..., ::-1] if self.reverse else images
+ return images

# tests/storage/test_run_lock.py
the lock of a process that died stays
- except (ProcessLookupError, OverflowError):
-         return False
+ except (ProcessLookupError, OverflowError):
+         return True

# tests/exports/test_report.py
an export that answers otherwise is written
- if not each.agreement >= least:
+ if each.agreement < 0:

# tests/config/test_bounds.py
a share of 1.5 is taken
- Bounds(lambda value: 0 <= value <= 1,
+ Bounds(lambda value: 0 <= value <= 2,
"""
"""The tests, and each fault that they catch: its name, and as in a patch, what becomes what."""


def faults() -> Iterator[Fault]:
    tests = ""
    for line in re.findall(r"^#.*|^[^-+].*(?:\n[-+] .*)+", FAULTS, re.MULTILINE):
        if line.startswith("# "):
            tests = line.removeprefix("# ")
            continue
        name, *changes = line.split("\n")
        sound, faulty = (
            "\n".join(each[2:] for each in changes if each[0] == sign) for sign in "-+"
        )
        yield Fault(name, sound, faulty, tests)


def sources(root: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted((root / "kextract").rglob("*.py")):
        yield path, path.read_text()


def put_in(fault: Fault, root: Path) -> Path:
    """Write the fault into the one module that has its line; give the module."""
    found = [(path, text) for path, text in sources(root) if fault.sound in text]
    if len(found) != 1 or found[0][1].count(fault.sound) != 1:
        raise SystemExit(f"'{fault.name}': expected its line once, found in {len(found)} modules")
    path, text = found[0]
    path.write_text(text.replace(fault.sound, fault.faulty))
    return path


def passes(tests: Iterable[str], root: Path) -> bool:
    """Run tests in a tree. Raises where they cannot run at all."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", *sorted(tests)]
    environment = os.environ | {"PYTHONPATH": str(root)}
    code = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.DEVNULL).returncode
    if code not in (0, 1):
        raise SystemExit(f"pytest ends with {code} for {' '.join(tests)}")
    return code == 0


def main(words: list[str]) -> int:
    chosen = [fault for fault in faults() if all(word in fault.name for word in words)]
    missed = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for folder in ("kextract", "tests"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
        for path in ("pyproject.toml", "checkpoints"):
            (root / path).symlink_to(ROOT / path)
        if not passes({fault.tests for fault in chosen}, root):
            raise SystemExit("the tests fail without a fault")
        for fault in chosen:
            began = time.monotonic()
            module = put_in(fault, root)
            missed += (sound := passes([fault.tests], root))
            shutil.copy(ROOT / module.relative_to(root), module)
            said = "MISSED" if sound else "caught"
            print(f"{said} in {time.monotonic() - began:4.0f} s: {fault.name}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
