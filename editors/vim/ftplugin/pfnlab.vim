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
setlocal formatexpr=PfnlabFormat()
compiler pfnlab

let b:undo_ftplugin = "setlocal comments< commentstring< formatoptions< expandtab< iskeyword< formatexpr< errorformat< makeprg<"

if exists("*PfnlabFormat")
  finish
endif

" gq in canonical form: always the whole file, since columns depend on other lines. A file with an error stays
" as it is.
function PfnlabFormat()
  if mode() =~# '[iR]'
    return 1
  endif
  let formatted = systemlist("pfnlab fmt -", getline(1, "$"))
  if v:shell_error
    echohl ErrorMsg
    echomsg get(formatted, 0, "pfnlab is not on $PATH")
    echohl None
    return 0
  endif
  let place = winsaveview()
  call setline(1, formatted)
  call deletebufline("%", len(formatted) + 1, "$")
  call winrestview(place)
  return 0
endfunction
