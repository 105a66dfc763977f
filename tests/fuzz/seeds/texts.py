"""Formats of text: tables, names, JSON, TOML and prompts."""

import json
import pathlib

SHIPPED = pathlib.Path(__file__).parents[3] / "services/diffusion-generator/shipped"


def encoded(value):
    return json.dumps(value, ensure_ascii=False).encode()


def label_tables():
    """The first byte says of which layout: the order is the target's."""
    tables = [
        (0, "file,age,gender,race\ntrain/1.jpg,50-59,Male,East Asian\n2.jpg,more than 70,Female,\n"),
        (0, "\ufefffile;age;gender;race\r\n.\\x\\1.jpg;3-9;;White\r\n"),
        (1, 'file_name,real_age\n000000.jpg,4\n"a,""b"".jpg",25.9\n'),
        (2, "img_name,age,gender,face_x0,face_y0,face_x1,face_y1\n1.jpg,30,M,10,10,60,70.5\n"
            "2.jpg,-1,F,-1,-1,-1,-1\n3.jpg,41,F,-9,1e3,400,1e5\n"),
        (3, "filename,age,gender,x_min,y_min,x_max,y_max\n00/nm0_rm1_1-2.jpg,30.0,F,1,2,3,4\n"),
        (4, "file\tage\tgender\trace\twho\tx0\ty0\tx1\ty1\n1.jpg\t(25, 32)\tm\t\tx\t0\t0\t9\t9\n"),
        (4, "file,age\n1.jpg,3\n"), (2, ""),
    ]
    return [bytes([layout]) + text.encode() for layout, text in tables]


def file_names():
    names = [
        "UTKFace/55_0_0_20170116232725357jpg.chip.jpg", "24_0_1_20170116220224657 .jpg.chip.jpg",
        "39_1_20170116174525125.jpg.chip.jpg", "53__0_20170116184028385.jpg", "116_1_4_2.PNG",
        "AgeDB/0_MariaCallas_35_f.jpg", "7_De_Niro_40_m.jpg", "images/001A43a.JPG", "082A20.jpg",
        "a/b.c/1.2_0_0_3.webp", "٣_0_0_1.jpg", "İ_0_0_1.JPG", "", "_", "-1_0_0_1.jpeg",
    ]
    return [name.encode() for name in names]


def shipped(name):
    return (SHIPPED / name).read_bytes()


def pipeline_files():
    """The first byte says which file: the order is the target's."""
    whole = [
        "model_index.json", "scheduler/scheduler_config.json", "unet/config.json",
        "vae/config.json", "text_encoder/config.json", "tokenizer/tokenizer_config.json",
    ]
    checker = {"model_type": "clip", "projection_dim": 8, "vision_config": {
        "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}}
    sizes = {"size": {"shortest_edge": 28}, "crop_size": {"height": 28, "width": 28},
             "do_resize": True, "resample": 3, "rescale_factor": 0.00392156862745098,
             "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    index = {"weight_map": {"a": "one.safetensors", "b": "../vae/two.safetensors"}}
    special = {"bos_token": {"content": "<|startoftext|>"}, "pad_token": "!"}
    python = b'{"model_max_length": Infinity, "pad_token": "NaN", "x": -Infinity}'
    files = [(number, shipped(name)) for number, name in enumerate(whole)]
    files += [(8, encoded(checker)), (9, encoded(sizes)), (10, encoded(index))]
    files += [(11, encoded(special)), (5, python), (0, b"[]"), (2, b'{"block_out_channels": 4}')]
    return [bytes([number]) + text for number, text in files]


def schedulers():
    """The first byte is the number of steps."""
    kinds = [
        ("DDPM", {"variance_type": "fixed_small", "thresholding": True}),
        ("DDIM", {"beta_schedule": "squaredcos_cap_v2", "clip_sample": True, "steps_offset": 1}),
        ("PNDM", {"skip_prk_steps": True, "set_alpha_to_one": False}),
        ("EulerDiscrete", {"use_karras_sigmas": True, "sigma_max": 14.6, "sigma_min": 0.03}),
        ("EulerAncestralDiscrete", {"rescale_betas_zero_snr": True}),
        ("DPMSolverMultistep", {"solver_order": 3, "use_exponential_sigmas": True}),
        ("UniPCMultistep", {"solver_order": 3, "solver_type": "bh1", "disable_corrector": [0],
                            "final_sigmas_type": "sigma_min", "predict_x0": False}),
        ("LCM", {"original_inference_steps": 50, "timestep_scaling": 10.0}),
        ("EulerDiscrete", {"interpolation_type": "log_linear", "trained_betas": [0.1, 0.2, 0.3]}),
        ("DPMSolverMultistep", {"lambda_min_clipped": -5.1, "euler_at_final": True}),
    ]
    spacings = ["leading", "trailing", "linspace"]
    files = []
    for number, (kind, fields) in enumerate(kinds):
        shared = {
            "_class_name": f"{kind}Scheduler", "num_train_timesteps": 1000, "beta_start": 0.00085,
            "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "epsilon",
            "timestep_spacing": spacings[number % 3],
        }
        files.append(bytes([4 + 7 * number]) + encoded(shared | fields))
    return files


LETTERS = ["a", "b", "c", "d", "a</w>", "b</w>", "c</w>", "d</w>", "ab", "ab</w>"]
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def numbered(tokens):
    return {token: number for number, token in enumerate(tokens)}


def vocabularies():
    """Zero bytes divide the files."""
    whole = encoded(numbered([*LETTERS, BEGIN, END]))
    sparse = encoded(numbered(LETTERS) | {BEGIN: 900, END: 4294967295})
    merges, length = b"#version: 0.2\na b\na b</w>\n", encoded({"model_max_length": 8})
    unlike = encoded({"bos_token": "a", "eos_token": {"content": "b"}, "pad_token": "c"})
    parts = [
        (whole, merges, length, "a photo of ab, abcd".encode()), (sparse, merges, b"{}", b"ab cd"),
        (whole, b"a</w> b\nx y\n", length, b"a"), (whole, merges, unlike, "ab 12 é ".encode() * 9),
        (whole, b"", b'{"model_max_length": 1}', b""), (b"[1]", merges, b"[]", b""),
    ]
    return [b"\0".join(part) for part in parts]


def tokenizers():
    """A zero byte divides the file and a text."""
    model = {"type": "BPE", "dropout": None, "unk_token": END, "continuing_subword_prefix": "",
             "end_of_word_suffix": "</w>", "fuse_unk": False, "byte_fallback": False,
             "vocab": numbered([*LETTERS, BEGIN, END]), "merges": ["a b", "a b</w>"]}
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
             "normalizer": {"type": "Lowercase"}, "post_processor": None, "decoder": None,
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False,
                               "trim_offsets": True, "use_regex": True}, "model": model}
    added = [{"id": 11, "content": END, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True}]
    cut = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 1}
    filled = {"strategy": {"Fixed": 9}, "direction": "Left", "pad_to_multiple_of": 8, "pad_id": 0,
              "pad_type_id": 0, "pad_token": "a"}
    words = {"type": "WordLevel", "vocab": numbered(["a", BEGIN, END]), "unk_token": END}
    pieces = {"type": "Unigram", "unk_id": 0, "byte_fallback": False,
              "vocab": [[END, 0.0], [BEGIN, -1.0], ["a", -2.0]]}
    split = {"type": "Split", "pattern": {"Regex": "[a-z]+"}, "behavior": "Isolated",
             "invert": True}
    several = {"type": "Sequence", "normalizers": [
        {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
        {"type": "Prepend", "prepend": "_"}, {"type": "Strip", "strip_left": True,
                                              "strip_right": False}]}
    short = model | {"continuing_subword_prefix": "##", "merges": [["a", "b"], ["a", "##b"]]}
    changes = [
        {}, {"added_tokens": added}, {"truncation": cut}, {"padding": filled}, {"model": words},
        {"model": pieces}, {"pre_tokenizer": split}, {"normalizer": several}, {"model": short},
    ]
    return [encoded(whole | change) + b"\0a photo of ab" for change in changes]


def prompts():
    texts = [
        "solo portrait of a 34 year old black woman", "<|startoftext|>it's<|endoftext|>",
        "é\u0301 ﬁ ①②③ ١٢٣", "日本語の写真", "👩‍👩‍👧‍👦", "a\0b", "\u200b\u202e x", "!!!???...,,,", " " * 40,
        "word " * 60, "", "İSTANBUL ẞ", "don't we'll they'd I'm",
    ]
    return [text.encode() for text in texts]


def predictions():
    texts = [
        "prediction,truth\n40,41\n20.5,22\n", "truth,prediction,sigma,group\n41,40,2.5,a\n3,4,1,\n",
        'group,prediction,truth\r\n"two\nlines",40,41\r\n"b ""q""",1e1,9\r\n',
        "prediction,truth\n\n\n40,41\r20,21\r", "prediction\n40\n", "prediction,truth\n-1,nan\n",
        "prediction,prediction\n1,2\n", "\ufeffprediction,truth\n40,41",
    ]
    return [text.encode() for text in texts]


def calibrations():
    def document(grouping, groups, score="absolute", **more):
        calibration = {"format": 2, "score": score, "grouping": grouping, "min_group": 2,
                       "support": {"lower": 0.0, "upper": 116.0}, "groups": groups}
        genders = {"female": [0.1, 0.7], "male": [0.2]}
        people = [{"truth": 17.0, "predicted": 18.5}, {"truth": 30.0, "predicted": 29.0}]
        return encoded({"model": "models/a", "split_hash": "", "calibration": calibration,
                        "genders": genders, "people": people} | more)

    def group(name, begin, end, part="everyone", scores=(0.5, 1.0, 2.5)):
        return {"name": name, "slice": part, "from": begin, "to": end, "scores": list(scores)}

    decades = [group("0-39", 0.0, 40.0), group("40-116", 40.0, 116.0)]
    genders = [group("female", 0.0, 116.0, "female"), group("male", 0.0, 116.0, "male")]
    labels = [group("a", 0.0, 116.0, {"label": "a"}), group("b", 0.0, 116.0, {"label": "b"})]
    return [
        document("none", [group("all", 0.0, 116.0)]), document("predicted_decade", decades),
        document("true_decade", decades, "shortest_window"), document("predicted_gender", genders),
        document("label", labels, "sigma"), document("none", [], people=[], genders={}),
    ]


def tokens():
    caller = '[[caller]]\nname = "shop"\nsha256 = "%s"\npermissions = ["predict", "jobs"]\n'
    quota = "quota = { per_second = 50, burst = 100 }\n"
    one, other = caller % ("0a" * 32), caller % ("F1" * 32)
    texts = [one, one + quota + other, one + one, one + "quota = { per_second = nan, burst = 0 }",
             caller % "zz", "caller = []", "", "[caller]\n", "[[caller]]\nname = '''\na'''\n"]
    return [text.encode() for text in texts]
