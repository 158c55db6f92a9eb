# The types of core.py, for compiling it.
import cython

ctypedef unsigned long long word
ctypedef unsigned int half

cdef class Core:
    cdef readonly object model, buffer
    cdef readonly bint breadth, symmetric
    cdef object _states, _parents, _slots, _stack
    cdef word[::1] into
    cdef readonly word[::1] states
    cdef readonly half[::1] parents
    cdef half[::1] slots, stack
    cdef word golden, full, mask, room, most
    cdef readonly word count, next, expanded, transitions, wrong, where
    cdef public word news

    @cython.locals(done=word, number=word, found=word)
    cpdef word run(self, word until, word limit, word steps)

    @cython.locals(at=word, state=word, slot=word, broken=word)
    cpdef admit(self, word parent, word found)

    @cython.locals(mix=word, slot=word, known=half)
    cdef word _slot_of(self, word state)

    @cython.locals(new=word)
    cdef _note(self, word broken)

    @cython.locals(number=word)
    cdef _make_slots(self)
