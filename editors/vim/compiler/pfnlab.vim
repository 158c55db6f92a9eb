" Vim compiler file: pfnlab fmt --check
if exists("current_compiler")
  finish
endif
let current_compiler = "pfnlab"

if exists(":CompilerSet") != 2
  command -nargs=* CompilerSet setlocal <args>
endif

CompilerSet makeprg=pfnlab\ fmt\ --check\ %:S
" What fmt --check prints, and the message of a file that is no text.
CompilerSet errorformat=pfnlab:\ %f:%l:%c:\ %m,%f:%l:%c:\ %m,%-G%.%#
