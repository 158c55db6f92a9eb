autocmd BufNewFile,BufRead *.pfn setfiletype pfnlab
