" Vim filetype plugin: pfnlab programs
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1

setlocal comments=:# commentstring=#\ %s
setlocal formatoptions-=t formatoptions+=croql
setlocal expandtab
" Names and words may hold a dash: uc-, devmem-sync.
setlocal iskeyword=@,48-57,_,-
" gq formats the whole program only: a line alone is none.
setlocal formatprg=pfnlab\ fmt\ -
compiler pfnlab

let b:undo_ftplugin = "setlocal comments< commentstring< formatoptions< expandtab< iskeyword< formatprg< errorformat< makeprg<"
