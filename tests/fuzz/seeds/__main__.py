"""Writes the inputs that the fuzz targets begin with, the same ones each time: python3 seeds FOLDER

A folder for each target, and beside it NAME.dict with the words that occur in its texts, which a
mutation would not find. Small files of every kind, sound ones and the usual unsound ones.
"""

import pathlib
import re
import sys

import archives
import images
import messages
import parquet
import texts

SEEDS = {
    "image": images.files,
    "zip": archives.zips,
    "tar": archives.tars,
    "label_table": texts.label_tables,
    "file_name": texts.file_names,
    "weights": archives.weights,
    "pipeline_file": texts.pipeline_files,
    "scheduler": texts.schedulers,
    "tokenizer_vocabulary": texts.vocabularies,
    "tokenizer_json": texts.tokenizers,
    "prompt": texts.prompts,
    "predictions": lambda: texts.predictions() + parquet.files(),
    "calibration": texts.calibrations,
    "tokens": texts.tokens,
    "import_request": messages.imports,
    "generate_request": messages.generations,
    "shifted_request": messages.shifts,
    "infer_request": messages.inferences,
    "audited_request": messages.audited,
}
WORD = re.compile(rb'"[A-Za-z_<|>/]{2,40}"|[A-Za-z_]{3,40}')


def dictionary(files):
    words = sorted({word for file in files for word in WORD.findall(file)})
    return "".join('"%s"\n' % word.decode().replace('"', '\\"') for word in words)


def main(root):
    for name, make in SEEDS.items():
        folder, files = root / name, make()
        folder.mkdir(parents=True)
        for number, file in enumerate(files):
            (folder / f"{number:03}").write_bytes(file)
        words = "" if name in ("image", "zip", "tar") else dictionary(files)
        # An empty one is an error to libFuzzer.
        if words:
            (root / f"{name}.dict").write_text(words)


main(pathlib.Path(sys.argv[1]))
