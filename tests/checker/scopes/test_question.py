"""Properties of states are declared by decorating their judges."""

from __future__ import annotations

import pickle

import pytest
from for_each import for_each

from pfnlab.base.errors import Defect
from pfnlab.checker.scopes.moment import Moment, StateView
from pfnlab.checker.scopes.properties import MODEL_PROPERTIES
from pfnlab.checker.scopes.question import Question, of_kernels, of_models
from pfnlab.programs.runs import memory_faults


def kept(moment: Moment) -> bool | None:
    """It holds."""
    return bool(moment.facts)


def only_models(moment: StateView) -> bool | None:
    """It holds."""
    return bool(moment.mms)


def test_a_judge_becomes_its_property() -> None:
    """The name and the sentence are those of the function."""
    declared = of_kernels(happens="it does not", noticed="the reader", seam="flush")(kept)

    assert ("kept", "It holds", "flush") == (declared.name, declared.asks, declared.seam)


def test_a_judge_of_models_is_refused_for_observed_steps() -> None:
    """An observed step has no address spaces of a model."""
    with pytest.raises(Defect, match=r"property only_models: .* takes StateView: declare it with of_models"):
        of_kernels(happens="it does not", noticed="the reader")(only_models)  # type: ignore[arg-type]


@for_each("parts", [{"happens": "it does not"}, {"noticed": "the reader"}])
def test_a_judge_without_words_is_refused(parts: dict[str, str]) -> None:
    """A violation could not be explained."""
    with pytest.raises(Defect, match="property only_models: its declaration lacks"):
        of_models(**parts)(only_models)  # type: ignore[arg-type]


def test_a_goal_of_a_search_needs_no_words() -> None:
    """A state violates nothing by not being reached."""
    assert "" == of_models(kind="sometimes")(only_models).happens


def test_the_words_of_another_declaration_belong_to_one_name() -> None:
    """A judge of another name cannot borrow them."""
    with pytest.raises(Defect, match="property counters: its judge is called only_models"):
        of_models(says=memory_faults.counters)(only_models)


@for_each("question", list(MODEL_PROPERTIES.values()), ids=list(MODEL_PROPERTIES))
def test_a_property_is_itself_in_another_process(question: Question) -> None:
    """Workers of a cluster get it pickled."""
    assert question is pickle.loads(pickle.dumps(question))
