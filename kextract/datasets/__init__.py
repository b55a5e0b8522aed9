"""Where labelled images come from: by name, from an `.npz`, or from a folder of images.

`loading.load_dataset` finds them all. Only names are imported here: NumPy takes longer to import
than `--help` may take to answer.
"""

from kextract.datasets.names import DATASETS
