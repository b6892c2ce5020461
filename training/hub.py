"""Uploads to the Hugging Face Hub: under a name with the run's time, and never at the price of the run.

    savia push models/herbolaria/20261121_101500

Nothing is asked: without a token the upload is left out and said. A failed upload leaves the run as it is; `savia push RUN`
repeats it.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import typer

from retrieval.console import JsonOption, output, print_json, run_command, say
from retrieval.errors import TrainingError, UsageError
from training.config import HubConfig, TrainingConfig
from training.recipes import load_recipe
from training.run_folder import RunFolder, find_run

_LEFT_OUT: Final = ["*.pt", "*.pth", "*.bin", "**/optimizer*", ".*"]  # optimizer states and pickles stay at home


class HubApi(Protocol):
    """The part of `huggingface_hub.HfApi` that is used."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> Any: ...

    def upload_folder(
        self, *, repo_id: str, folder_path: str, path_in_repo: str, ignore_patterns: list[str]
    ) -> Any: ...


def find_api() -> HubApi | None:
    """The Hub's client; None without a token."""
    from huggingface_hub import HfApi, get_token

    return HfApi() if get_token() else None


def name_repository(repository: str, run_name: str) -> str:
    """The recipe's name with the run's time: runs never overwrite each other."""
    return repository if repository.endswith(run_name) else f"{repository}-{run_name}"


class Uploads:
    """The uploads of one run."""

    def __init__(self, hub: HubConfig, run_name: str, api: HubApi | None = None) -> None:
        self.hub = hub
        self.repository = name_repository(hub.repository, run_name) if hub.repository else ""
        self._api = api
        self._told = False

    def callback(self) -> Any:
        """A transformers callback that uploads each checkpoint."""
        from transformers import TrainerCallback

        uploads = self

        class UploadCheckpoints(TrainerCallback):  # type: ignore[misc, unused-ignore]
            def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if state.is_world_process_zero:
                    name = f"checkpoint-{state.global_step}"
                    uploads.try_upload(Path(args.output_dir) / name, name)

        return UploadCheckpoints()

    def finish(self, run: RunFolder, config: TrainingConfig) -> None:
        """Upload the final model where the recipe says so; what came of it stands in `run.json`."""
        if not config.hub.push:
            return
        done = self.try_upload(run.final, "")
        run.write_state(hub={"repository": self.repository, "uploaded": done})

    def try_upload(self, folder: Path, place: str) -> bool:
        """Upload, or say why not; nothing is raised, for a model that is trained must not be lost to the network."""
        try:
            upload_folder(folder, self.repository, self.hub.private, place, self._api)
        except TrainingError as error:
            if not self._told:
                say(f"{error.message} The model is safe in {folder.parent}; savia push repeats the upload.")
            self._told = True
            return False
        return True


def upload_folder(folder: Path, repository: str, private: bool, place: str = "", api: HubApi | None = None) -> str:
    """Make the repository if need be and upload a folder; returns its name. Raises `TrainingError`."""
    found = api or find_api()
    if found is None:
        raise TrainingError(f"Nothing was uploaded to {repository}: there is no Hub token.", "Set HF_TOKEN.")
    try:
        found.create_repo(repository, private=private, exist_ok=True)
        found.upload_folder(
            repo_id=repository, folder_path=str(folder), path_in_repo=place, ignore_patterns=list(_LEFT_OUT)
        )
    except Exception as error:  # network, rights, quota: whatever it is, the run goes on and the sentence says it
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise TrainingError(f"The upload to {repository} failed: {reason}", "Run savia push again.") from error
    return repository


def push_run(run: RunFolder, repository: str = "", private: bool | None = None, api: HubApi | None = None) -> str:
    """Upload a finished run's model; returns the repository's name. Raises `UsageError`, `TrainingError`."""
    if not run.final.is_dir():
        raise UsageError(f"{run.root} holds no finished model.", "Finish it: savia train --resume-from latest.")
    config = load_recipe(None, str(run.recipe)).config
    wanted = repository or config.hub.repository
    if not wanted:
        raise UsageError("No repository is named.", "Give --repository user/name.")
    name = upload_folder(
        run.final,
        name_repository(wanted, run.root.name),
        config.hub.private if private is None else private,
        api=api,
    )
    run.write_state(hub={"repository": name, "uploaded": True})
    return name


def command(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as models/herbolaria/20261121_101500.")],
    repository: Annotated[
        str, typer.Option("--repository", "--hub-model-id", help="user/name; default: the recipe's.")
    ] = "",
    private: Annotated[bool | None, typer.Option("--private/--public", help="Default: as the recipe says.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a run's model to the Hugging Face Hub, again or for the first time."""
    name = push_run(find_run(run), repository, private)
    if as_json:
        print_json({"repository": name})
    else:
        output().print(name)


if __name__ == "__main__":
    run_command(command)
