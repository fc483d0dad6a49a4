"""Checkpoints come from a folder or the hub, are loaded only whole, and are saved whole; so is everything else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the conversion room needs the extra `convert`")
pytest.importorskip("transformers", reason="the conversion room needs the extra `convert`")

from safetensors.torch import load_file, save_file

from edgeslm.errors import EdgeSlmError, InputError, ModelError
from edgeslm_convert.checkpoint import fetch, load_model, save_model
from edgeslm_convert.gguf import check_checkpoint
from edgeslm_convert.place import into_place
from edgeslm_convert.workshop import Workshop, plain
from tiny_checkpoints import write_checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint("llama", tmp_path_factory.mktemp("checkpoint") / "hf")


@pytest.fixture
def checkpoint(whole: Path, tmp_path: Path) -> Path:
    import shutil

    return shutil.copytree(whole, tmp_path / "hf")


class Hub(BaseHTTPRequestHandler):
    """As much of the hub as a download needs: a repository's files, and their content."""

    def __init__(self, folder: Path, asked: list[str], *arguments: Any) -> None:
        self.folder, self.asked = folder, asked
        super().__init__(*arguments)

    def do_GET(self) -> None:
        names = [path.name for path in self.folder.iterdir()]
        if self.path.startswith("/api/models/") and "/tree/" in self.path:
            self.answer([{"type": "file", "path": name, "size": self.size(name), "oid": name} for name in names])
        elif self.path.startswith("/api/models/"):
            self.answer({"id": "some/model", "sha": "0" * 40, "siblings": [{"rfilename": name} for name in names]})
        else:
            name = self.path.rsplit("/", 1)[1]
            self.asked.append(name)
            self.answer((self.folder / name).read_bytes(), name)

    do_HEAD = do_GET

    def size(self, name: str) -> int:
        return (self.folder / name).stat().st_size

    def answer(self, content: Any, name: str = "") -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{name}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(checkpoint: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub on this machine that has one model, and the files it was asked for."""
    (checkpoint / "pytorch_model.bin").write_bytes(b"a pickle")
    (checkpoint / "modeling_own.py").write_text("raise SystemExit")
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, checkpoint, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


def test_a_folder_is_taken_as_it_is(whole: Path) -> None:
    assert fetch(whole) == whole
    assert fetch(str(whole)) == whole


@pytest.mark.parametrize("weights", [True, False])
def test_of_a_hub_repository_only_config_safetensors_and_tokenizer_are_fetched(
    hub: tuple[str, list[str]], weights: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import snapshot_download

    address, asked = hub
    download = partial(snapshot_download, endpoint=address, cache_dir=tmp_path / "cache")
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    folder = fetch("some/model", weights=weights)
    expected = {"config.json", "generation_config.json", "tokenizer.model", "tokenizer_config.json"}
    expected |= {"model.safetensors"} if weights else set()
    assert {path.name for path in folder.iterdir()} == expected
    assert set(asked) == expected


def test_a_hub_that_cannot_be_reached_is_an_error_that_names_the_model_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import snapshot_download

    download = partial(snapshot_download, endpoint="http://127.0.0.1:9", cache_dir=tmp_path)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(InputError) as caught:
        fetch("some/model")
    assert caught.value.message == "cannot fetch some/model from the hub"
    assert caught.value.reason
    assert caught.value.hint.endswith("name the local folder")


@pytest.mark.parametrize("source", ["no-such-folder", "/no/such/folder", "a/b/c", ""])
def test_what_is_neither_folder_nor_hub_id_is_refused_without_a_network(source: str) -> None:
    with pytest.raises(InputError, match="no checkpoint at"):
        fetch(source or "/dev/null/x")


def test_a_checkpoint_that_lacks_tensors_is_not_filled_up_with_random_ones(checkpoint: Path) -> None:
    tensors = load_file(checkpoint / "model.safetensors")
    lost = "model.layers.1.mlp.up_proj.weight"
    save_file({k: v for k, v in tensors.items() if k != lost}, checkpoint / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError) as caught:
        load_model(checkpoint)
    assert caught.value.message == f"the checkpoint {checkpoint} is not whole"
    assert caught.value.reason == f"it lacks {lost}"


def test_a_config_of_another_width_than_the_tensors_is_refused(checkpoint: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text())
    (checkpoint / "config.json").write_text(json.dumps({**config, "intermediate_size": 128}))
    with pytest.raises(ModelError, match="transformers cannot load"):
        load_model(checkpoint)


def test_openelm_is_refused_because_code_of_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    folder = write_checkpoint("openelm", tmp_path / "hf")
    (folder / "modeling_openelm.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    auto = {"AutoModelForCausalLM": "modeling_openelm.OpenELMForCausalLM"}
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": auto}))
    with pytest.raises(ModelError, match="transformers has no class for openelm"):
        load_model(folder)
    assert not (tmp_path / "ran").exists()


def test_an_index_that_names_tensors_its_files_do_not_hold_is_refused(checkpoint: Path) -> None:
    index = {"weight_map": {"model.norm.weight": "model.safetensors", "x": "model.safetensors"}}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError) as caught:
        check_checkpoint(checkpoint)
    assert caught.value.reason == "model.safetensors: lacks x (1 tensors)"


@pytest.mark.parametrize("index", [{"weight_map": {"x": "../model.safetensors"}}, {"weight_map": 3}, {}])
def test_an_index_that_points_elsewhere_is_refused(checkpoint: Path, index: dict[str, Any]) -> None:
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError) as caught:
        check_checkpoint(checkpoint)
    assert caught.value.reason == "its weight_map does not name files beside it"


def test_saving_and_loading_changes_no_byte_and_takes_the_tokenizer_along(whole: Path, tmp_path: Path) -> None:
    first = save_model(load_model(whole), whole, tmp_path / "first")
    second = save_model(load_model(first), first, tmp_path / "second")
    names = sorted(path.name for path in first.iterdir())
    assert "tokenizer.model" in names
    assert names == sorted(path.name for path in second.iterdir())
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_a_save_that_fails_leaves_the_folder_of_an_earlier_one(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").touch()

    class Full:
        config = None

        def save_pretrained(self, folder: Path, **_: Any) -> None:
            folder.mkdir()
            (folder / "model.safetensors").write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError) as caught:
        save_model(Full(), whole, out)
    assert caught.value.reason == "No space left on device"
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "old"]


def test_what_a_killed_run_left_beside_an_output_is_put_right(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "out.former").mkdir()  # killed between moving the old one away and the new one in
    (tmp_path / "out.part").mkdir()

    def fail() -> None:
        with into_place(out) as beside:
            assert not beside.exists()
            assert out.is_dir()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_result_is_made_once_for_what_it_depends_on(tmp_path: Path) -> None:
    made = []

    def make(folder: Path, scratch: Path) -> dict[str, Any]:
        made.append(folder.name)
        (folder / "file").write_text("content")
        scratch.mkdir()
        return {"b": (1, 2), "a": 0.1}

    for _ in range(2):
        shop = Workshop(tmp_path, {"tool": 1})
        result = shop.result("step", {"x": 1}, make)
        assert (result.folder / "file").read_text() == "content"
        assert list(result.report.items()) == [("a", 0.1), ("b", [1, 2])]
        assert not list(tmp_path.glob("*going-on"))
        shop.close()
    assert len(made) == 1
    Workshop(tmp_path, {"tool": 2}).result("step", {"x": 1}, make)
    assert len(made) == 2
    assert len(list(tmp_path.glob("step-*"))) == 2


def test_a_result_whose_making_fails_is_not_there_and_keeps_what_it_can_go_on_from(tmp_path: Path) -> None:
    shop = Workshop(tmp_path, {})

    def fail(folder: Path, scratch: Path) -> dict[str, Any]:
        scratch.mkdir()
        (folder / "half").touch()
        raise ModelError("no")

    with pytest.raises(ModelError):
        shop.result("step", {}, fail)
    (left,) = [path for path in tmp_path.iterdir() if path.name != ".lock"]
    assert left.name.endswith(".going-on")
    shop.tidy()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_a_report_of_what_cannot_be_written_is_an_error() -> None:
    with pytest.raises(EdgeSlmError, match="a report holds a set"):
        plain({"x": [{1, 2}]})
