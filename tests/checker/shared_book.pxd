# The types of shared_book.py, for compiling it.
import cython

ctypedef unsigned long long word

@cython.locals(entry=word)
cpdef word _pages_of(word place)

cdef class Book:
    cdef readonly word pages, alive, ranges, most
    cdef readonly bint symmetric, modes
    cdef readonly object properties
    cdef readonly word[::1] touched, map_pages, map_vma, map_entry
    cdef readonly word[::1] cut_from, cuts, split_from, splits, rests, shrink_from, shrinks

    @cython.locals(count=word, free=word, slot=word, at=word, vma=word, after=word)
    cpdef long successors(self, word state, word[::1] into)

    @cython.locals(
        count=word, one=word, two=word, three=word, entry_at=word, in_mode=word, in_other=word, vma_at=word,
        base=word, size=word, tasks=word, mode=word, number=word, pages=word, new=word, task=word, after=word,
    )
    cdef word _maps(self, word state, word free, word[::1] into)

    @cython.locals(
        place=word, entry_at=word, entry=word, one=word, whole=word, number=word, more=word, first=word, size=word,
        base=word, length=word, along=bint, left=word, after=word,
    )
    cdef word _cuts(self, word state, word at, word vma, word free, word[::1] into, word count)

    @cython.locals(mine=word, free=word, slot=word, task=word, after=word, vma=word, one=word)
    cdef word _forked(self, word state)

    @cython.locals(slot=word, vma=word, entry_at=word, entry=word, gone=word)
    cdef word _exited(self, word state, word task)

    @cython.locals(number=word, state=word, other=word, slot=word, mode=word)
    cpdef canonical(self, word[::1] states, word count)

    @cython.locals(
        first=word, second=word, third=word, after=word, slot=word, rank=word, group=word, part=word, vma=word
    )
    cdef word _sorted(self, word state)

    @cython.locals(group=word, large=word, middle=word, small=word, slot=word, vma=word)
    cdef word _group(self, word state, word entry)

    @cython.locals(
        wrong=word, counts=word, slot=word, vma=word, entry=word, first=word, base=word, one=word, two=word, three=word
    )
    cpdef long broken(self, word state)
