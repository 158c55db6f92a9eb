"""A race as lanes: time runs downward, a lane a task with a processor; who is held where, and who waits."""

from __future__ import annotations

from pfnlab.explorer import plain_svg as svg
from pfnlab.programs.runs.observation import HELD, WAITS, Run

_ROW, _TOP = 34, 30


def lanes_svg(run: Run, *, narrow: bool = False) -> str:
    """The lanes of a program that holds a processor."""
    steps = run.steps[:-1]
    tasks = list(dict.fromkeys(step.task for step in steps))
    width = 340 if narrow else 860
    lane = width / max(len(tasks), 1)
    parts = [svg.text(at * lane + 8, 18, f"processor of {task}", "h") for at, task in enumerate(tasks)]
    parts += [
        svg.line(at * lane + 2, _TOP, at * lane + 2, _TOP + _ROW * len(steps), "link")
        for at in range(len(tasks))
    ]
    open_since: dict[str, tuple[int, str]] = {}
    spans: list[tuple[str, int, int, str]] = []
    for at, step in enumerate(steps):
        if step.result in (HELD, WAITS):
            open_since[step.task] = (at, f"waits for {step.value}" if step.result == WAITS else "held")
        if step.op.endswith("release"):
            spans += [(task, since, at, why) for task, (since, why) in open_since.items()]
            open_since = {}
    spans += [(task, since, len(steps) - 1, why) for task, (since, why) in open_since.items()]
    for task, since, until, why in spans:
        x, y = tasks.index(task) * lane + 4, _TOP + since * _ROW
        height = (until - since + 1) * _ROW - 6
        drawn = [svg.box(x, y, lane - 12, height, "none" if why.startswith("waits") else "ram")]
        drawn += [svg.text(x + lane - 22 - len(why) * 6.4, y + height - 6, why, "q")] if until > since else []
        parts.append(svg.part(f"lane:{task}:{since}", f"{task}: {why}", drawn, rule="S8.2"))
    for at, step in enumerate(steps):
        x, y = tasks.index(step.task) * lane + 8, _TOP + at * _ROW
        said = step.op
        most = int((lane - 20) / 6.9)
        result = step.result if step.value is None else f"{step.result} {step.value}"
        shown = [
            svg.text(x + 4, y + 13, said[:most], "m"),
            svg.text(x + 4, y + 25, f"{at + 1}: {result}"[:most], "m q"),
        ]
        parts.append(svg.part(f"turn:{at}", f"step {at + 1}, {step.op}: {result}", shown))
    says = "; ".join(f"{task} {why} in steps {since + 1} to {until + 1}" for task, since, until, why in spans)
    return svg.picture(width, _TOP + _ROW * len(steps) + 8, "Lanes of the processors", says, parts)
