"""What every training on images may be told about its images, in the words that all doors show: HTTP, the
command line. The client repeats them: it installs alone.
"""

from __future__ import annotations

DATA = "digits, cifar10, or a folder or zip file of images with one sub-folder a class"
MIRROR = (
    "Mirror half of the training images. Where nothing is said: yes, unless a class is named by a single "
    "character, as digits, letters and signs are, which mirroring would change."
)
SKIP_BAD = "Go on without image files that cannot be read and class folders without images."
