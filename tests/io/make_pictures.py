#!/usr/bin/env python3
"""Makes the small files in tests/io/pictures and the seeds of the file readers' fuzz harnesses.

Run from anywhere with Pillow and NumPy; the files are kept in the repository, so nobody needs to, except to change
them. Every picture but the flat ones shows the same thing: 24x16 pixels, red 10 x, green 15 y, blue 128.
"""
import gzip
import json
import pathlib
import struct

import numpy as np
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
PICTURES = HERE / "pictures"
SEEDS = HERE.parent / "fuzz" / "seeds"


def seed(harness, name, data):
    folder = SEEDS / harness
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def npy(array, version=(1, 0)):
    import io
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version=version)
    return out.getvalue()


def safetensors(header, data):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def make_pictures():
    PICTURES.mkdir(exist_ok=True)
    y, x = np.mgrid[0:16, 0:24]
    rgb = np.stack([10 * x, 15 * y, np.full_like(x, 128)], axis=-1).astype(np.uint8)
    picture = Image.fromarray(rgb)
    grey = picture.convert("L")
    picture.save(PICTURES / "baseline.jpg", quality=95, subsampling=0)
    picture.save(PICTURES / "subsampled.jpg", quality=95, subsampling=2)
    picture.save(PICTURES / "restarts.jpg", quality=95, subsampling=0, restart_marker_blocks=2)
    picture.save(PICTURES / "progressive.jpg", quality=95, subsampling=0, progressive=True)
    grey.save(PICTURES / "grey.jpg", quality=95)
    picture.convert("CMYK").save(PICTURES / "cmyk.jpg", quality=95)
    picture.save(PICTURES / "rgb.png")
    grey.save(PICTURES / "grey.png")
    picture.quantize(256, dither=Image.Dither.NONE).save(PICTURES / "palette.png")
    grey.point(lambda v: 255 * (v > 100)).convert("1").save(PICTURES / "one_bit.png")
    alpha = np.where(x < 12, 255, 0).astype(np.uint8)  # the right half is transparent
    Image.fromarray(np.concatenate([rgb, alpha[..., None]], axis=-1)).save(PICTURES / "rgba.png")
    Image.fromarray(np.stack([np.asarray(grey), alpha], axis=-1), mode="LA").save(PICTURES / "grey_alpha.png")
    Image.fromarray((np.asarray(grey).astype(np.uint16) * 257)).save(PICTURES / "grey_16.png")
    picture.save(PICTURES / "rgb.bmp")
    grey.save(PICTURES / "grey.bmp")
    Image.new("RGB", (1, 1), (10, 200, 30)).save(PICTURES / "one_pixel.png")
    Image.new("RGB", (1, 1), (120, 120, 120)).save(PICTURES / "one_pixel.jpg", quality=100)
    Image.new("L", (20000, 8), 90).save(PICTURES / "wide.jpg", quality=50, optimize=True)
    for path in PICTURES.iterdir():
        if path.stat().st_size < 1500:
            seed("image", path.name, path.read_bytes())


def make_seeds():
    seed("npy", "float32.npy", npy(np.arange(6, dtype="<f4").reshape(2, 3)))
    seed("npy", "fortran.npy", npy(np.asfortranarray(np.arange(6, dtype="<i8").reshape(2, 3))))
    seed("npy", "scalar.npy", npy(np.array(3, dtype="<i4")))
    seed("npy", "half_v2.npy", npy(np.arange(4, dtype="<f2"), (2, 0)))
    seed("npy", "bytes_v3.npy", npy(np.arange(5, dtype="u1"), (3, 0)))
    seed("safetensors", "two.safetensors", safetensors(
        {"__metadata__": {"format": "x"},
         "a": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]},
         "b": {"dtype": "U8", "shape": [3], "data_offsets": [8, 11]}}, bytes(range(11))))
    seed("safetensors", "types.safetensors", safetensors(
        {"d": {"dtype": "F64", "shape": [], "data_offsets": [0, 8]},
         "h": {"dtype": "F16", "shape": [1, 1], "data_offsets": [8, 10]},
         "w": {"dtype": "BF16", "shape": [1], "data_offsets": [10, 12]},
         "e": {"dtype": "I64", "shape": [0, 7], "data_offsets": [12, 12]}}, bytes(12)))
    seed("safetensors", "empty.safetensors", safetensors({}, b""))
    images = struct.pack(">IIII", 0x803, 2, 3, 4) + bytes(range(24))
    labels = struct.pack(">II", 0x801, 2) + bytes([7, 1])
    # The harness takes a four-byte length of the images, then images, then labels.
    for name, parts in (("plain", (images, labels)), ("unlabelled", (images, b"")),
                        ("zipped", (gzip.compress(images, mtime=0), gzip.compress(labels, mtime=0)))):
        seed("idx", name, struct.pack("<I", len(parts[0])) + parts[0] + parts[1])
    record = bytes([3]) + bytes(i % 251 for i in range(3072))
    seed("cifar", "one.bin", record)
    seed("cifar", "two.bin.gz", gzip.compress(record * 2, mtime=0))
    for name, document in (
            ("torch", {"size": 256, "resize": "shorter_side", "crop": 224, "channel_order": "rgb", "scale": 0.0039,
                       "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}),
            ("exact", {"size": [20, 30], "crop": [10, 12], "channel_order": "grey", "mean": 3.5}),
            ("tensor", {"mean": {"tensor": "preprocess.mean"}, "crop": 4}),
            ("file", {"mean": "mean.npy", "resize": "none"})):
        seed("preprocess_json", name + ".json", json.dumps(document).encode())
    seed("list", "labels.txt", b"a picture.jpg 3\n# a remark\n\nb.png 0\n")
    seed("list", "plain.txt", b"a.jpg\nb.jpg\n")


if __name__ == "__main__":
    make_pictures()
    make_seeds()
