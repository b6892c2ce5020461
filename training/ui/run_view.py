"""One training run: where it stands, its loss as it falls, its card and report, and what can be done with it.

show_run(place, run)
"""

from pathlib import Path

import streamlit as st

from assistant.ui.safe_markdown import safe_markdown, safe_text
from retrieval.errors import SaviaError
from retrieval.files import read_json
from training.chosen_model import choose_model, forget_model, read_chosen_model
from training.data_preparation.parse_documents import parse_documents
from training.evaluation.places import RESULT, find_report
from training.run_folder import MERGED
from training.ui.job_view import POLL, show_job, show_log
from training.ui.place import Place, corpus_stamp, key, show_error
from training.ui.runs import (
    TRAINING,
    Run,
    changes_since,
    curves,
    figures_of,
    model_of,
    read_metrics,
    read_run,
)
from training.ui.strings import Words

CHOSEN = "training run"  # in the session: the name of the run that is shown
PROBLEM = "training problem"
MOST_NAMED = 50  # changed sections listed
CURVE_COLORS = ["#2f7d4f", "#e0a13c"]  # training, validation
HEIGHT = 300  # pixels of the curves


def show_run(place: Place, run: Run) -> None:
    """All about one run. While it is going, state and curves are drawn anew every second."""
    say = place.say
    st.markdown(f"### {safe_text(run.name)}", anchors=False)
    if problem := st.session_state.pop(PROBLEM, ""):
        st.error(safe_markdown(problem), icon=":material/error:")
    if run.state.get("tiny"):
        st.warning(say["tiny"], icon=":material/science:")
    if run.going:
        st.fragment(_follow, run_every=POLL)(place, run)
        return
    _show_end(run, say)
    _show_facts(run, say)
    show_curves(run, say)
    _show_changes(place, run)
    _show_use(place, run)
    _show_evaluation(place, run)
    _show_cards(run, say)
    if run.job.read() is not None:
        show_log(run.job, say)


def resume(place: Place, run: Run) -> None:
    """Go on from the newest whole checkpoint, as a job. Raises `UsageError`."""
    folder = run.folder.root.resolve()
    arguments = ["train", "--domain", place.domain.name, f"--resume-from={folder}"]
    place.job(f"{TRAINING}{run.name}").start(arguments, place.environment)


def evaluate(place: Place, run: Run) -> None:
    """Evaluate a run's model beside its base, as a job. Raises `UsageError`."""
    model, adapter = model_of(run)
    whole = adapter is None and not model.endswith(MERGED)  # all weights were trained: nothing says from which model
    base = [] if whole else ["--base=auto"]
    arguments = ["evaluate", "model", "--domain", place.domain.name, f"--model-path={adapter or model}", *base]
    place.job(f"evaluate-{run.name}").start([*arguments, f"--output-dir={run.evaluation.resolve()}"], place.environment)


def show_curves(run: Run, say: Words) -> None:
    """Training and validation loss by step."""
    import altair

    points = curves([(run.name, read_metrics(run.folder))])
    if not points:
        st.caption(say["no_curve"])
        return
    names = {"loss": say["loss"], "eval_loss": say["eval_loss"]}
    shown = [{**point, "curve": names[point["curve"]]} for point in points]
    chart = altair.Chart(altair.InlineData(values=shown)).mark_line(point=len(shown) < 100)
    chart = chart.encode(
        x=altair.X("step:Q", title=say["step"], axis=altair.Axis(tickMinStep=1, format="d")),
        y=altair.Y("loss:Q", title=say["loss"], scale=altair.Scale(zero=False)),
        color=altair.Color(
            "curve:N",
            title=None,
            scale=altair.Scale(domain=list(names.values()), range=CURVE_COLORS),
            legend=altair.Legend(orient="top"),
        ),
        tooltip=["step:Q", "loss:Q", "curve:N"],
    ).properties(height=HEIGHT)
    st.altair_chart(chart)


def _follow(place: Place, known: Run) -> None:
    run, say = read_run(known.folder, known.job), place.say
    if run.phase != known.phase:  # the list beside it says so too, and an ended run is shown in another way
        st.rerun()
        return
    rows = [row for row in read_metrics(run.folder) if "loss" in row]
    last = rows[-1] if rows else {}
    text = f"{say['phase_' + run.phase]} · {say['step']} {int(run.state.get('step') or 0)}"
    text += f" / {int(run.state.get('total_steps') or 0)}"
    if last.get("seconds_left"):
        text += f" · {say['minutes_left'].format(minutes=round(last['seconds_left'] / 60, 1))}"
    if last.get("tokens_per_second"):
        text += f" · {round(last['tokens_per_second'])} tokens/s"
    st.progress(run.share, text=safe_text(text))
    with st.container(horizontal=True):
        if run.job.read() is None:
            st.caption(say["run_elsewhere"])
        elif run.phase == "stopping":
            st.button(say["kill"], icon=":material/dangerous:", key="kill run", on_click=run.job.kill)
            st.caption(say["saves_checkpoint"])
        else:
            st.button(say["stop"], icon=":material/stop_circle:", key="stop run", on_click=run.job.stop)
            st.caption(say["closing_is_safe"])
    show_curves(run, say)
    if run.job.read() is not None:
        show_log(run.job, say)


def _show_end(run: Run, say: Words) -> None:
    text = say["phase_" + run.phase]
    match run.phase:
        case "finished":
            st.success(text, icon=":material/check_circle:")
        case "failed":
            st.error(f"{text}. {safe_text(run.job.last_words())}", icon=":material/error:")
        case _:
            st.warning(text, icon=":material/stop_circle:")


def _show_facts(run: Run, say: Words) -> None:
    figures = {name: value for name, value in figures_of(run).items() if name != "seconds"}
    if figures:
        for column, (name, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
            column.metric(
                say.get("figure_" + name, safe_text(name)), f"{value:.4g}" if value < 1000 else f"{value:,.0f}"
            )
    rows = run.state.get("rows")
    facts = [
        (say["base_model"], run.state.get("base_model")),
        (say["rows"], rows.get("train") if isinstance(rows, dict) else None),
        (say["device"], run.state.get("device")),
        (say["started"], run.state.get("started")),
        (say["ended"], run.state.get("ended")),
    ]
    st.caption("  \n".join(f"**{name}:** {safe_text(str(value))}" for name, value in facts if value))


def _show_changes(place: Place, run: Run) -> None:
    say = place.say
    try:
        changes = changes_since(run, place.layout, _sections_now(place))
    except SaviaError as error:
        show_error(error)
        return
    if changes is None:
        st.caption(f":material/help: {say['data_unknown']}")
    elif not changes.changed and not changes.removed:
        st.caption(f":material/task_alt: {say['documents_same']}")
    else:
        text = say["documents_changed"].format(changed=len(changes.changed), removed=len(changes.removed))
        st.warning(text, icon=":material/update:")
        with st.expander(say["changed_sections"], icon=":material/difference:"):
            st.code("\n".join([*changes.changed, *changes.removed][:MOST_NAMED]), language=None)


def _sections_now(place: Place) -> dict[str, str]:
    return _hashes_once(place, str(place.domain.corpus.resolve()), corpus_stamp(place.domain.corpus))


@st.cache_data(max_entries=4, show_spinner=False)
def _hashes_once(_place: Place, corpus: str, changed: str) -> dict[str, str]:
    if not _place.domain.corpus.is_dir():
        return {}
    return {section.id: section.hash for section in parse_documents(_place.domain.corpus)}


def _show_use(place: Place, run: Run) -> None:
    """Use the model, take it back, go on."""
    say, chosen = place.say, read_chosen_model(place.layout.root)
    used = chosen.get("run") == run.name
    if used:
        st.info(say["in_use"], icon=":material/eco:")
    with st.container(horizontal=True):
        if used:
            st.button(say["stop_using"], icon=":material/undo:", key="forget model", on_click=_forget, args=(place,))
        elif run.phase == "finished":
            st.button(
                say["use"], icon=":material/eco:", key="use model", type="primary", on_click=_use, args=(place, run)
            )
        if run.phase != "finished" and run.folder.checkpoints():
            st.button(
                say["resume"],
                icon=":material/resume:",
                key="resume",
                type="primary",
                on_click=_resume,
                args=(place, run),
            )


def _use(place: Place, run: Run) -> None:
    try:
        model, adapter = model_of(run)
        choose_model(place.layout.root, model, adapter, run.name)
    except SaviaError as error:
        st.session_state[PROBLEM] = str(error)


def _forget(place: Place) -> None:
    try:
        forget_model(place.layout.root)
    except SaviaError as error:
        st.session_state[PROBLEM] = str(error)


def _resume(place: Place, run: Run) -> None:
    try:
        resume(place, run)
    except SaviaError as error:
        st.session_state[PROBLEM] = str(error)


def _evaluate(place: Place, run: Run) -> None:
    try:
        evaluate(place, run)
    except SaviaError as error:
        st.session_state[PROBLEM] = str(error)


def _show_evaluation(place: Place, run: Run) -> None:
    say = place.say
    job, report = place.job(f"evaluate-{run.name}"), find_report(run.folder.root, place.layout.root)
    state = job.read()
    if run.phase != "finished" and report is None:
        return
    st.markdown(f"#### {say['evaluation']}", anchors=False)
    if report is not None:
        _show_scores(report.with_name(RESULT), say)
        name = f"{place.domain.name}-{run.name}.html"
        st.download_button(
            say["open_report"], report.read_bytes(), name, "text/html", icon=":material/description:", key="report"
        )
    if not (state and state.going):
        label = say["evaluate_again"] if report else say["evaluate"]
        st.button(
            label, icon=":material/analytics:", key=key("evaluate", run.name), on_click=_evaluate, args=(place, run)
        )
    if state is not None and (state.going or state.phase != "done"):
        show_job(job, say, lambda: None)


def _show_scores(result: Path, say: Words) -> None:
    """Perplexity and scores of each arm, as evaluation.json has them."""
    try:
        arms = read_json(result)["figures"]
        rows = [_score_row(arm, say) for arm in arms]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return
    st.dataframe(rows, hide_index=True)


def _score_row(arm: dict[str, object], say: Words) -> dict[str, object]:
    row: dict[str, object] = {say["arm"]: str(arm["label"])}
    for name, value in arm.items():
        if name == "perplexity" and isinstance(value, int | float):
            row[name] = round(value, 3)
        elif isinstance(value, dict) and isinstance(value.get("mean"), int | float):
            row[name] = round(value["mean"], 3)
    return row


def _show_cards(run: Run, say: Words) -> None:
    for label, path in (("run_card", run.folder.root / "README.md"), ("model_card", run.folder.final / "README.md")):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        with st.expander(say[label], icon=":material/description:"):
            if text.startswith("---\n"):
                head, _, text = text[4:].partition("\n---\n")
                st.code(head, language="yaml")
            st.markdown(safe_markdown(text))
