"""Generates fuzzer programs: anything the language can express, from a seed and an index.

The next operation depends on the last one in the same area and, through a :class:`Bias`, on the pairs and
triples that earlier programs have not yet reached, also under each condition. Seed, index, vocabulary and
bias determine the whole program.
"""

from random import Random

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.conditions import NO_BIAS, Bias
from pfnlab.hunt.fuzz.drawn_program import DrawnProgram
from pfnlab.hunt.fuzz.drawn_schedule import add_schedule
from pfnlab.programs.lang.ops import Program

#: In each period of this many programs, the last few may need guests that others do not: to reset devices
#: opened through vfio-pci and to put them to sleep; and, the very last, for a device at the end of the BAR or
#: for a large BAR. So such a guest is booted once for many programs, and not at all in a short hunt.
_PERIOD, _RESETS, _RARE = 1000, 125, 8

#: The probability that a program opens a device through vfio-pci, if it may.
_VFIO_RATE = 0.3

#: How often a program has a device large enough for leaves, if it may; and how often this is then one of
#: vfio-pci, if it could also be the driver's.
_LEAF_RATE, _LEAF_VFIO_RATE = 0.16, 0.4

#: The probability that a program has a device that is removed and added, if it may.
_SLOT_RATE = 0.1

#: The probability that a program is about neighbours. A separate random source decides this, so a seed's
#: other programs do not depend on it.
_NEIGHBOUR_RATE = 0.2

#: The probability that a program with schedules has a held processor.
_HELD_RATE = 0.8


def draw(seed: int, index: int, vocabulary: Vocabulary | None = None, bias: Bias = NO_BIAS) -> Program:
    """Generate program number *index* from *seed*."""
    random = Random(f"{seed}:{index}")
    vocabulary = vocabulary or Vocabulary()
    leaves = vocabulary.leaves or (vocabulary.has_leaves and random.random() < _LEAF_RATE)
    prefixes = bias.prefixes_of(leaves)
    prefix = random.choice(prefixes) if prefixes and random.random() < 0.3 else None
    vfio_rate = (_LEAF_VFIO_RATE if vocabulary.driver else 1.0) if leaves else _VFIO_RATE
    vfio = vocabulary.vfio and (random.random() < vfio_rate if prefix is None else prefix.needs.vfio)
    slot = vocabulary.slots and not (prefix or vfio or leaves) and random.random() < _SLOT_RATE
    rare = is_rare(index) and not leaves
    near = vocabulary.neighbours or Random(f"{seed}:{index}:neighbours").random() < _NEIGHBOUR_RATE
    kinds = vocabulary.kinds_of(vfio=vfio, slot=slot, resets=_is_last(index, _RESETS))
    drawing = DrawnProgram(
        *(random, kinds, bias, prefix),
        rare=rare,
        vfio=vfio,
        slot=slot,
        leaves=leaves,
        fixed=vocabulary.fixed,
        failures=vocabulary.failures,
        neighbours=near and not leaves,
    )
    # There is no rule for a held processor combined with a device that is removed.
    held = vocabulary.schedules and not slot and random.random() < _HELD_RATE
    drawing.draw_operations()
    # The language treats a task whose fork was refused as alive.
    if held and drawing.tasks and not drawing.calls.refused:
        add_schedule(drawing)
    return drawing.program(f"random {seed}:{index}")


def is_rare(index: int) -> bool:
    """True if the program with this index may need a separate guest."""
    return _is_last(index, _RARE)


def _is_last(index: int, number: int) -> bool:
    return index % _PERIOD >= _PERIOD - number
