" Vim syntax file: pfnlab programs
" Made by tools/make_editors.py: change src/pfnlab/programs/lang/tokens.py.

if exists("b:current_syntax")
  finish
endif

syntax case match
syntax match pfnlabLine "^" nextgroup=@pfnlabInLine skipwhite

syntax cluster pfnlabInLine contains=pfnlabKeyword_line0,pfnlabName_line1,pfnlabTask_line2,pfnlabTask_line3,pfnlabMark_line4,pfnlabKeyword_line5,pfnlabKeyword_line6,pfnlabKeyword_line7,pfnlabKeyword_line8,pfnlabKeyword_line9,pfnlabOperation_line10,pfnlabOperation_line11,pfnlabOperation_line12,pfnlabOperation_line13,pfnlabOperation_line14,pfnlabOperation_line15,pfnlabOperation_line16,pfnlabOperation_line17,pfnlabOperation_line18,pfnlabOperation_line19,pfnlabOperation_line20,pfnlabOperation_line21,pfnlabComment_line22,pfnlabError_line23,pfnlabComment_line24,pfnlabError_line25,pfnlabError_line26
syntax match pfnlabError_line26 "\v\C[^ \t]" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabError_line26 pfnlabError
syntax match pfnlabError_line25 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabError_line25 pfnlabError
syntax match pfnlabComment_line24 "\v\C#.*" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabComment_line24 pfnlabComment
syntax match pfnlabError_line23 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInOperand skipwhite
highlight default link pfnlabError_line23 pfnlabError
syntax match pfnlabComment_line22 "\v\C#.*" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabComment_line22 pfnlabComment
syntax match pfnlabOperation_line21 "\v\C%(mmap|mremap|write|remap_pfn_range|process_vm_readv|mem_read|mem_write|process_vm_writev|pipe_write|vmsplice|futex_wake|move_pages|pagemap|pagemap_scan|numa_maps|smaps|smaps_rollup|userfaultfd|munmap|mlock|munlock|msync|mseal|read|mincore|zap_vma_ptes|unmap_mapping_range|request_mem_region|memremap_pages|ioremap|memremap|io_mapping_create_wc|arch_io_reserve_memtype_wc|arch_io_free_memtype_wc|arch_phys_wc_add|set_memory_wb|set_memory_wc|set_memory_uc|set_pages_array_wb|set_pages_array_wc|set_pages_array_uc|memory_disable|memory_enable|vfio_reset|d3|d0|vfio_close|bind|unbind|remove|rescan|rescan_moved|unplug|plug)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInOperand skipwhite
highlight default link pfnlabOperation_line21 pfnlabOperation
syntax match pfnlabOperation_line20 "\v\C%(remap_file_pages)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInMapped skipwhite
highlight default link pfnlabOperation_line20 pfnlabOperation
syntax match pfnlabOperation_line19 "\v\C%(release)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInReleased skipwhite
highlight default link pfnlabOperation_line19 pfnlabOperation
syntax match pfnlabOperation_line18 "\v\C%(process_mrelease)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInReaping skipwhite
highlight default link pfnlabOperation_line18 pfnlabOperation
syntax match pfnlabOperation_line17 "\v\C%(setrlimit)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInLimited skipwhite
highlight default link pfnlabOperation_line17 pfnlabOperation
syntax match pfnlabOperation_line16 "\v\C%(clear_refs)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInCleared skipwhite
highlight default link pfnlabOperation_line16 pfnlabOperation
syntax match pfnlabOperation_line15 "\v\C%(mbind)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInBound skipwhite
highlight default link pfnlabOperation_line15 pfnlabOperation
syntax match pfnlabOperation_line14 "\v\C%(process_madvise)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInRemote skipwhite
highlight default link pfnlabOperation_line14 pfnlabOperation
syntax match pfnlabOperation_line13 "\v\C%(madvise)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInAdvised skipwhite
highlight default link pfnlabOperation_line13 pfnlabOperation
syntax match pfnlabOperation_line12 "\v\C%(mprotect|pkey_mprotect)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInProtected skipwhite
highlight default link pfnlabOperation_line12 pfnlabOperation
syntax match pfnlabOperation_line11 "\v\C%(fork|thread)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInBirth skipwhite
highlight default link pfnlabOperation_line11 pfnlabOperation
syntax match pfnlabOperation_line10 "\v\C%(mlockall|munlockall|exec|exit|kill|look|release_mem_region|iounmap|memunmap|io_mapping_free|memunmap_pages|memtype_list|status)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInEnd skipwhite
highlight default link pfnlabOperation_line10 pfnlabOperation
syntax match pfnlabKeyword_line9 "\v\C%(fail|skip|hold)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInCall skipwhite
highlight default link pfnlabKeyword_line9 pfnlabKeyword
syntax match pfnlabKeyword_line8 "\v\C%(expect)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabKeyword_line8 pfnlabKeyword
syntax match pfnlabKeyword_line7 "\v\C%(device|area)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabKeyword_line7 pfnlabKeyword
syntax match pfnlabKeyword_line6 "\v\C%(thp)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInSetting skipwhite
highlight default link pfnlabKeyword_line6 pfnlabKeyword
syntax match pfnlabKeyword_line5 "\v\C%(pfnlab)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInVersion skipwhite
highlight default link pfnlabKeyword_line5 pfnlabKeyword
syntax match pfnlabMark_line4 "\v\C[=:]" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabMark_line4 pfnlabMark
syntax match pfnlabTask_line3 "\v\C[a-z][a-z0-9_]{0,11}%([ \t]*:)@=" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabTask_line3 pfnlabTask
syntax match pfnlabTask_line2 "\v\C%(main)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabTask_line2 pfnlabTask
syntax match pfnlabName_line1 "\v\C[a-z][a-z0-9_]{0,11}%([ \t]*\=)@=" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabName_line1 pfnlabName
syntax match pfnlabKeyword_line0 "\v\C%(title|asks)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInText skipwhite
highlight default link pfnlabKeyword_line0 pfnlabKeyword

syntax cluster pfnlabInText contains=pfnlabText_text0
syntax match pfnlabText_text0 "\v\C[^ \t].*" contained nextgroup=@pfnlabInText skipwhite
highlight default link pfnlabText_text0 pfnlabText

syntax cluster pfnlabInVersion contains=pfnlabKeyword_version0,pfnlabNumber_version1,pfnlabComment_version2,pfnlabError_version3,pfnlabError_version4
syntax match pfnlabError_version4 "\v\C[^ \t]" contained nextgroup=@pfnlabInVersion skipwhite
highlight default link pfnlabError_version4 pfnlabError
syntax match pfnlabError_version3 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInVersion skipwhite
highlight default link pfnlabError_version3 pfnlabError
syntax match pfnlabComment_version2 "\v\C#.*" contained nextgroup=@pfnlabInVersion skipwhite
highlight default link pfnlabComment_version2 pfnlabComment
syntax match pfnlabNumber_version1 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInVersion skipwhite
highlight default link pfnlabNumber_version1 pfnlabNumber
syntax match pfnlabKeyword_version0 "\v\C%(program)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInVersion skipwhite
highlight default link pfnlabKeyword_version0 pfnlabKeyword

syntax cluster pfnlabInSetting contains=pfnlabOption_setting0,pfnlabComment_setting1,pfnlabError_setting2,pfnlabError_setting3
syntax match pfnlabError_setting3 "\v\C[^ \t]" contained nextgroup=@pfnlabInSetting skipwhite
highlight default link pfnlabError_setting3 pfnlabError
syntax match pfnlabError_setting2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInSetting skipwhite
highlight default link pfnlabError_setting2 pfnlabError
syntax match pfnlabComment_setting1 "\v\C#.*" contained nextgroup=@pfnlabInSetting skipwhite
highlight default link pfnlabComment_setting1 pfnlabComment
syntax match pfnlabOption_setting0 "\v\C%(always|madvise|never)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInSetting skipwhite
highlight default link pfnlabOption_setting0 pfnlabOption

syntax cluster pfnlabInDeclaration contains=pfnlabName_declaration0,pfnlabOption_declaration1,pfnlabUnit_declaration2,pfnlabNumber_declaration3,pfnlabMark_declaration4,pfnlabComment_declaration5,pfnlabError_declaration6,pfnlabError_declaration7
syntax match pfnlabError_declaration7 "\v\C[^ \t]" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabError_declaration7 pfnlabError
syntax match pfnlabError_declaration6 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabError_declaration6 pfnlabError
syntax match pfnlabComment_declaration5 "\v\C#.*" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabComment_declaration5 pfnlabComment
syntax match pfnlabMark_declaration4 "\v\C[:,]" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabMark_declaration4 pfnlabMark
syntax match pfnlabNumber_declaration3 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabNumber_declaration3 pfnlabNumber
syntax match pfnlabUnit_declaration2 "\v\C%(pages|page|KiB|MiB|GiB|TiB)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabUnit_declaration2 pfnlabUnit
syntax match pfnlabOption_declaration1 "\v\C%(pci|lowmem|isa|top|limit)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabOption_declaration1 pfnlabOption
syntax match pfnlabName_declaration0 "\v\C[a-z][a-z0-9_]{0,11}%([ \t]*:)@=" contained nextgroup=@pfnlabInDeclaration skipwhite
highlight default link pfnlabName_declaration0 pfnlabName

syntax cluster pfnlabInExpectation contains=pfnlabNumber_expectation0,pfnlabMark_expectation1,pfnlabKeyword_expectation2,pfnlabMode_expectation3,pfnlabName_expectation4,pfnlabNumber_expectation5,pfnlabComment_expectation6,pfnlabError_expectation7,pfnlabError_expectation8
syntax match pfnlabError_expectation8 "\v\C[^ \t]" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabError_expectation8 pfnlabError
syntax match pfnlabError_expectation7 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabError_expectation7 pfnlabError
syntax match pfnlabComment_expectation6 "\v\C#.*" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabComment_expectation6 pfnlabComment
syntax match pfnlabNumber_expectation5 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabNumber_expectation5 pfnlabNumber
syntax match pfnlabName_expectation4 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabName_expectation4 pfnlabName
syntax match pfnlabMode_expectation3 "\v\C%(wb|wc|uc-|uc|wt|wp|asis)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabMode_expectation3 pfnlabMode
syntax match pfnlabKeyword_expectation2 "\v\C%(nothing|left|leaked|keeps)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabKeyword_expectation2 pfnlabKeyword
syntax match pfnlabMark_expectation1 "\v\C\.\.|[,:\[\]]" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabMark_expectation1 pfnlabMark
syntax match pfnlabNumber_expectation0 "\v\C[0-9]+\.[0-9]+%(\.[0-9]+|-rc[0-9]+)?%([A-Za-z0-9_])@!" contained nextgroup=@pfnlabInExpectation skipwhite
highlight default link pfnlabNumber_expectation0 pfnlabNumber

syntax cluster pfnlabInCall contains=pfnlabKeyword_call0,pfnlabMark_call1,pfnlabFunction_call2,pfnlabNumber_call3,pfnlabComment_call4,pfnlabError_call5,pfnlabError_call6
syntax match pfnlabError_call6 "\v\C[^ \t]" contained nextgroup=@pfnlabInCall skipwhite
highlight default link pfnlabError_call6 pfnlabError
syntax match pfnlabError_call5 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInCall skipwhite
highlight default link pfnlabError_call5 pfnlabError
syntax match pfnlabComment_call4 "\v\C#.*" contained nextgroup=@pfnlabInCall skipwhite
highlight default link pfnlabComment_call4 pfnlabComment
syntax match pfnlabNumber_call3 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInCall skipwhite
highlight default link pfnlabNumber_call3 pfnlabNumber
syntax match pfnlabFunction_call2 "\v\C[A-Za-z_][A-Za-z0-9_]{0,63}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInCall skipwhite
highlight default link pfnlabFunction_call2 pfnlabFunction
syntax match pfnlabMark_call1 "\v\C:" contained nextgroup=@pfnlabInLine skipwhite
highlight default link pfnlabMark_call1 pfnlabMark
syntax match pfnlabKeyword_call0 "\v\C%(in|return)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInCall skipwhite
highlight default link pfnlabKeyword_call0 pfnlabKeyword

syntax cluster pfnlabInOperand contains=pfnlabBuiltin_operand0,pfnlabName_operand1,pfnlabComment_operand2,pfnlabError_operand3,pfnlabError_operand4
syntax match pfnlabError_operand4 "\v\C[^ \t]" contained nextgroup=@pfnlabInOperand skipwhite
highlight default link pfnlabError_operand4 pfnlabError
syntax match pfnlabError_operand3 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInOperand skipwhite
highlight default link pfnlabError_operand3 pfnlabError
syntax match pfnlabComment_operand2 "\v\C#.*" contained nextgroup=@pfnlabInOperand skipwhite
highlight default link pfnlabComment_operand2 pfnlabComment
syntax match pfnlabName_operand1 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabName_operand1 pfnlabName
syntax match pfnlabBuiltin_operand0 "\v\C%(anon|perf|vvar|ram|moved)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabBuiltin_operand0 pfnlabBuiltin

syntax cluster pfnlabInMapped contains=pfnlabMark_mapped0,pfnlabNumber_mapped1,pfnlabName_mapped2,pfnlabComment_mapped3,pfnlabError_mapped4,pfnlabError_mapped5
syntax match pfnlabError_mapped5 "\v\C[^ \t]" contained nextgroup=@pfnlabInMapped skipwhite
highlight default link pfnlabError_mapped5 pfnlabError
syntax match pfnlabError_mapped4 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInMapped skipwhite
highlight default link pfnlabError_mapped4 pfnlabError
syntax match pfnlabComment_mapped3 "\v\C#.*" contained nextgroup=@pfnlabInMapped skipwhite
highlight default link pfnlabComment_mapped3 pfnlabComment
syntax match pfnlabName_mapped2 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInSource skipwhite
highlight default link pfnlabName_mapped2 pfnlabName
syntax match pfnlabNumber_mapped1 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInMapped skipwhite
highlight default link pfnlabNumber_mapped1 pfnlabNumber
syntax match pfnlabMark_mapped0 "\v\C[:\[\]]" contained nextgroup=@pfnlabInMapped skipwhite
highlight default link pfnlabMark_mapped0 pfnlabMark

syntax cluster pfnlabInSource contains=pfnlabMark_source0,pfnlabNumber_source1,pfnlabBuiltin_source2,pfnlabName_source3,pfnlabComment_source4,pfnlabError_source5,pfnlabError_source6
syntax match pfnlabError_source6 "\v\C[^ \t]" contained nextgroup=@pfnlabInSource skipwhite
highlight default link pfnlabError_source6 pfnlabError
syntax match pfnlabError_source5 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInSource skipwhite
highlight default link pfnlabError_source5 pfnlabError
syntax match pfnlabComment_source4 "\v\C#.*" contained nextgroup=@pfnlabInSource skipwhite
highlight default link pfnlabComment_source4 pfnlabComment
syntax match pfnlabName_source3 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabName_source3 pfnlabName
syntax match pfnlabBuiltin_source2 "\v\C%(anon|perf|vvar|ram|moved)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabBuiltin_source2 pfnlabBuiltin
syntax match pfnlabNumber_source1 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInSource skipwhite
highlight default link pfnlabNumber_source1 pfnlabNumber
syntax match pfnlabMark_source0 "\v\C[:\[\]]" contained nextgroup=@pfnlabInSource skipwhite
highlight default link pfnlabMark_source0 pfnlabMark

syntax cluster pfnlabInProtected contains=pfnlabName_protected0,pfnlabComment_protected1,pfnlabError_protected2,pfnlabError_protected3
syntax match pfnlabError_protected3 "\v\C[^ \t]" contained nextgroup=@pfnlabInProtected skipwhite
highlight default link pfnlabError_protected3 pfnlabError
syntax match pfnlabError_protected2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInProtected skipwhite
highlight default link pfnlabError_protected2 pfnlabError
syntax match pfnlabComment_protected1 "\v\C#.*" contained nextgroup=@pfnlabInProtected skipwhite
highlight default link pfnlabComment_protected1 pfnlabComment
syntax match pfnlabName_protected0 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInProtection skipwhite
highlight default link pfnlabName_protected0 pfnlabName

syntax cluster pfnlabInProtection contains=pfnlabMark_protection0,pfnlabNumber_protection1,pfnlabOption_protection2,pfnlabComment_protection3,pfnlabError_protection4,pfnlabError_protection5
syntax match pfnlabError_protection5 "\v\C[^ \t]" contained nextgroup=@pfnlabInProtection skipwhite
highlight default link pfnlabError_protection5 pfnlabError
syntax match pfnlabError_protection4 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInProtection skipwhite
highlight default link pfnlabError_protection4 pfnlabError
syntax match pfnlabComment_protection3 "\v\C#.*" contained nextgroup=@pfnlabInProtection skipwhite
highlight default link pfnlabComment_protection3 pfnlabComment
syntax match pfnlabOption_protection2 "\v\C%(none|r|rw|rwx|rx|w|wx|x)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabOption_protection2 pfnlabOption
syntax match pfnlabNumber_protection1 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInProtection skipwhite
highlight default link pfnlabNumber_protection1 pfnlabNumber
syntax match pfnlabMark_protection0 "\v\C[:\[\]]" contained nextgroup=@pfnlabInProtection skipwhite
highlight default link pfnlabMark_protection0 pfnlabMark

syntax cluster pfnlabInAdvised contains=pfnlabName_advised0,pfnlabComment_advised1,pfnlabError_advised2,pfnlabError_advised3
syntax match pfnlabError_advised3 "\v\C[^ \t]" contained nextgroup=@pfnlabInAdvised skipwhite
highlight default link pfnlabError_advised3 pfnlabError
syntax match pfnlabError_advised2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInAdvised skipwhite
highlight default link pfnlabError_advised2 pfnlabError
syntax match pfnlabComment_advised1 "\v\C#.*" contained nextgroup=@pfnlabInAdvised skipwhite
highlight default link pfnlabComment_advised1 pfnlabComment
syntax match pfnlabName_advised0 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInAdvice skipwhite
highlight default link pfnlabName_advised0 pfnlabName

syntax cluster pfnlabInAdvice contains=pfnlabMark_advice0,pfnlabNumber_advice1,pfnlabOption_advice2,pfnlabComment_advice3,pfnlabError_advice4,pfnlabError_advice5
syntax match pfnlabError_advice5 "\v\C[^ \t]" contained nextgroup=@pfnlabInAdvice skipwhite
highlight default link pfnlabError_advice5 pfnlabError
syntax match pfnlabError_advice4 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInAdvice skipwhite
highlight default link pfnlabError_advice4 pfnlabError
syntax match pfnlabComment_advice3 "\v\C#.*" contained nextgroup=@pfnlabInAdvice skipwhite
highlight default link pfnlabComment_advice3 pfnlabComment
syntax match pfnlabOption_advice2 "\v\C%(normal|random|sequential|willneed|dontneed|free|remove|dontfork|dofork|mergeable|unmergeable|hugepage|nohugepage|dontdump|dodump|wipeonfork|keeponfork|cold|pageout|populate_read|populate_write|dontneed_locked|collapse|guard_install|guard_remove)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInAdvice skipwhite
highlight default link pfnlabOption_advice2 pfnlabOption
syntax match pfnlabNumber_advice1 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInAdvice skipwhite
highlight default link pfnlabNumber_advice1 pfnlabNumber
syntax match pfnlabMark_advice0 "\v\C[:\[\]]" contained nextgroup=@pfnlabInAdvice skipwhite
highlight default link pfnlabMark_advice0 pfnlabMark

syntax cluster pfnlabInRemote contains=pfnlabName_remote0,pfnlabComment_remote1,pfnlabError_remote2,pfnlabError_remote3
syntax match pfnlabError_remote3 "\v\C[^ \t]" contained nextgroup=@pfnlabInRemote skipwhite
highlight default link pfnlabError_remote3 pfnlabError
syntax match pfnlabError_remote2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInRemote skipwhite
highlight default link pfnlabError_remote2 pfnlabError
syntax match pfnlabComment_remote1 "\v\C#.*" contained nextgroup=@pfnlabInRemote skipwhite
highlight default link pfnlabComment_remote1 pfnlabComment
syntax match pfnlabName_remote0 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInRemote_Advice skipwhite
highlight default link pfnlabName_remote0 pfnlabName

syntax cluster pfnlabInRemote_Advice contains=pfnlabMark_remote_advice0,pfnlabNumber_remote_advice1,pfnlabOption_remote_advice2,pfnlabComment_remote_advice3,pfnlabError_remote_advice4,pfnlabError_remote_advice5
syntax match pfnlabError_remote_advice5 "\v\C[^ \t]" contained nextgroup=@pfnlabInRemote_Advice skipwhite
highlight default link pfnlabError_remote_advice5 pfnlabError
syntax match pfnlabError_remote_advice4 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInRemote_Advice skipwhite
highlight default link pfnlabError_remote_advice4 pfnlabError
syntax match pfnlabComment_remote_advice3 "\v\C#.*" contained nextgroup=@pfnlabInRemote_Advice skipwhite
highlight default link pfnlabComment_remote_advice3 pfnlabComment
syntax match pfnlabOption_remote_advice2 "\v\C%(normal|random|sequential|willneed|dontneed|free|remove|dontfork|dofork|mergeable|unmergeable|hugepage|nohugepage|dontdump|dodump|wipeonfork|keeponfork|cold|pageout|populate_read|populate_write|dontneed_locked|collapse|guard_install|guard_remove)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInTarget skipwhite
highlight default link pfnlabOption_remote_advice2 pfnlabOption
syntax match pfnlabNumber_remote_advice1 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInRemote_Advice skipwhite
highlight default link pfnlabNumber_remote_advice1 pfnlabNumber
syntax match pfnlabMark_remote_advice0 "\v\C[:\[\]]" contained nextgroup=@pfnlabInRemote_Advice skipwhite
highlight default link pfnlabMark_remote_advice0 pfnlabMark

syntax cluster pfnlabInTarget contains=pfnlabTask_target0,pfnlabComment_target1,pfnlabError_target2,pfnlabError_target3
syntax match pfnlabError_target3 "\v\C[^ \t]" contained nextgroup=@pfnlabInTarget skipwhite
highlight default link pfnlabError_target3 pfnlabError
syntax match pfnlabError_target2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInTarget skipwhite
highlight default link pfnlabError_target2 pfnlabError
syntax match pfnlabComment_target1 "\v\C#.*" contained nextgroup=@pfnlabInTarget skipwhite
highlight default link pfnlabComment_target1 pfnlabComment
syntax match pfnlabTask_target0 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInTarget skipwhite
highlight default link pfnlabTask_target0 pfnlabTask

syntax cluster pfnlabInBound contains=pfnlabName_bound0,pfnlabComment_bound1,pfnlabError_bound2,pfnlabError_bound3
syntax match pfnlabError_bound3 "\v\C[^ \t]" contained nextgroup=@pfnlabInBound skipwhite
highlight default link pfnlabError_bound3 pfnlabError
syntax match pfnlabError_bound2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInBound skipwhite
highlight default link pfnlabError_bound2 pfnlabError
syntax match pfnlabComment_bound1 "\v\C#.*" contained nextgroup=@pfnlabInBound skipwhite
highlight default link pfnlabComment_bound1 pfnlabComment
syntax match pfnlabName_bound0 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInPolicy skipwhite
highlight default link pfnlabName_bound0 pfnlabName

syntax cluster pfnlabInPolicy contains=pfnlabMark_policy0,pfnlabNumber_policy1,pfnlabOption_policy2,pfnlabComment_policy3,pfnlabError_policy4,pfnlabError_policy5
syntax match pfnlabError_policy5 "\v\C[^ \t]" contained nextgroup=@pfnlabInPolicy skipwhite
highlight default link pfnlabError_policy5 pfnlabError
syntax match pfnlabError_policy4 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInPolicy skipwhite
highlight default link pfnlabError_policy4 pfnlabError
syntax match pfnlabComment_policy3 "\v\C#.*" contained nextgroup=@pfnlabInPolicy skipwhite
highlight default link pfnlabComment_policy3 pfnlabComment
syntax match pfnlabOption_policy2 "\v\C%(default|preferred|bind)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabOption_policy2 pfnlabOption
syntax match pfnlabNumber_policy1 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInPolicy skipwhite
highlight default link pfnlabNumber_policy1 pfnlabNumber
syntax match pfnlabMark_policy0 "\v\C[:\[\]]" contained nextgroup=@pfnlabInPolicy skipwhite
highlight default link pfnlabMark_policy0 pfnlabMark

syntax cluster pfnlabInCleared contains=pfnlabOption_cleared0,pfnlabComment_cleared1,pfnlabError_cleared2,pfnlabError_cleared3
syntax match pfnlabError_cleared3 "\v\C[^ \t]" contained nextgroup=@pfnlabInCleared skipwhite
highlight default link pfnlabError_cleared3 pfnlabError
syntax match pfnlabError_cleared2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInCleared skipwhite
highlight default link pfnlabError_cleared2 pfnlabError
syntax match pfnlabComment_cleared1 "\v\C#.*" contained nextgroup=@pfnlabInCleared skipwhite
highlight default link pfnlabComment_cleared1 pfnlabComment
syntax match pfnlabOption_cleared0 "\v\C%(all|anon|mapped|soft_dirty|peak)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInCleared skipwhite
highlight default link pfnlabOption_cleared0 pfnlabOption

syntax cluster pfnlabInLimited contains=pfnlabOption_limited0,pfnlabComment_limited1,pfnlabError_limited2,pfnlabError_limited3
syntax match pfnlabError_limited3 "\v\C[^ \t]" contained nextgroup=@pfnlabInLimited skipwhite
highlight default link pfnlabError_limited3 pfnlabError
syntax match pfnlabError_limited2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInLimited skipwhite
highlight default link pfnlabError_limited2 pfnlabError
syntax match pfnlabComment_limited1 "\v\C#.*" contained nextgroup=@pfnlabInLimited skipwhite
highlight default link pfnlabComment_limited1 pfnlabComment
syntax match pfnlabOption_limited0 "\v\C%(memlock|data|as)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInRoom skipwhite
highlight default link pfnlabOption_limited0 pfnlabOption

syntax cluster pfnlabInRoom contains=pfnlabMark_room0,pfnlabOption_room1,pfnlabUnit_room2,pfnlabNumber_room3,pfnlabComment_room4,pfnlabError_room5,pfnlabError_room6
syntax match pfnlabError_room6 "\v\C[^ \t]" contained nextgroup=@pfnlabInRoom skipwhite
highlight default link pfnlabError_room6 pfnlabError
syntax match pfnlabError_room5 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInRoom skipwhite
highlight default link pfnlabError_room5 pfnlabError
syntax match pfnlabComment_room4 "\v\C#.*" contained nextgroup=@pfnlabInRoom skipwhite
highlight default link pfnlabComment_room4 pfnlabComment
syntax match pfnlabNumber_room3 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInRoom skipwhite
highlight default link pfnlabNumber_room3 pfnlabNumber
syntax match pfnlabUnit_room2 "\v\C%(pages|page|KiB|MiB|GiB|TiB)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInRoom skipwhite
highlight default link pfnlabUnit_room2 pfnlabUnit
syntax match pfnlabOption_room1 "\v\C%(unlimited)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInRoom skipwhite
highlight default link pfnlabOption_room1 pfnlabOption
syntax match pfnlabMark_room0 "\v\C\+" contained nextgroup=@pfnlabInRoom skipwhite
highlight default link pfnlabMark_room0 pfnlabMark

syntax cluster pfnlabInReaping contains=pfnlabTask_reaping0,pfnlabComment_reaping1,pfnlabError_reaping2,pfnlabError_reaping3
syntax match pfnlabError_reaping3 "\v\C[^ \t]" contained nextgroup=@pfnlabInReaping skipwhite
highlight default link pfnlabError_reaping3 pfnlabError
syntax match pfnlabError_reaping2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInReaping skipwhite
highlight default link pfnlabError_reaping2 pfnlabError
syntax match pfnlabComment_reaping1 "\v\C#.*" contained nextgroup=@pfnlabInReaping skipwhite
highlight default link pfnlabComment_reaping1 pfnlabComment
syntax match pfnlabTask_reaping0 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabTask_reaping0 pfnlabTask

syntax cluster pfnlabInReleased contains=pfnlabTask_released0,pfnlabComment_released1,pfnlabError_released2,pfnlabError_released3
syntax match pfnlabError_released3 "\v\C[^ \t]" contained nextgroup=@pfnlabInReleased skipwhite
highlight default link pfnlabError_released3 pfnlabError
syntax match pfnlabError_released2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInReleased skipwhite
highlight default link pfnlabError_released2 pfnlabError
syntax match pfnlabComment_released1 "\v\C#.*" contained nextgroup=@pfnlabInReleased skipwhite
highlight default link pfnlabComment_released1 pfnlabComment
syntax match pfnlabTask_released0 "\v\C[a-z][a-z0-9_]{0,11}%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInReleased skipwhite
highlight default link pfnlabTask_released0 pfnlabTask

syntax cluster pfnlabInBirth contains=pfnlabOption_birth0,pfnlabComment_birth1,pfnlabError_birth2,pfnlabError_birth3
syntax match pfnlabError_birth3 "\v\C[^ \t]" contained nextgroup=@pfnlabInBirth skipwhite
highlight default link pfnlabError_birth3 pfnlabError
syntax match pfnlabError_birth2 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInBirth skipwhite
highlight default link pfnlabError_birth2 pfnlabError
syntax match pfnlabComment_birth1 "\v\C#.*" contained nextgroup=@pfnlabInBirth skipwhite
highlight default link pfnlabComment_birth1 pfnlabComment
syntax match pfnlabOption_birth0 "\v\C%(set_tid|overcommit_memory|pids_max)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInBirth skipwhite
highlight default link pfnlabOption_birth0 pfnlabOption

syntax cluster pfnlabInEnd contains=pfnlabComment_end0,pfnlabError_end1,pfnlabError_end2
syntax match pfnlabError_end2 "\v\C[^ \t]" contained nextgroup=@pfnlabInEnd skipwhite
highlight default link pfnlabError_end2 pfnlabError
syntax match pfnlabError_end1 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInEnd skipwhite
highlight default link pfnlabError_end1 pfnlabError
syntax match pfnlabComment_end0 "\v\C#.*" contained nextgroup=@pfnlabInEnd skipwhite
highlight default link pfnlabComment_end0 pfnlabComment

syntax cluster pfnlabInArguments contains=pfnlabOption_arguments0,pfnlabKeyword_arguments1,pfnlabKeyword_arguments2,pfnlabMode_arguments3,pfnlabOption_arguments4,pfnlabUnit_arguments5,pfnlabNumber_arguments6,pfnlabMark_arguments7,pfnlabComment_arguments8,pfnlabError_arguments9,pfnlabError_arguments10
syntax match pfnlabError_arguments10 "\v\C[^ \t]" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabError_arguments10 pfnlabError
syntax match pfnlabError_arguments9 "\v\C[A-Za-z_][A-Za-z0-9_]*%(-[A-Za-z0-9_]+)*-?" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabError_arguments9 pfnlabError
syntax match pfnlabComment_arguments8 "\v\C#.*" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabComment_arguments8 pfnlabComment
syntax match pfnlabMark_arguments7 "\v\C[:\[\]]" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabMark_arguments7 pfnlabMark
syntax match pfnlabNumber_arguments6 "\v\C-?%(0[xX][0-9a-fA-F]+|[0-9]+)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabNumber_arguments6 pfnlabNumber
syntax match pfnlabUnit_arguments5 "\v\C%(pages|page|KiB|MiB|GiB|TiB)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabUnit_arguments5 pfnlabUnit
syntax match pfnlabOption_arguments4 "\v\C%(devmem|devmem-sync|proc-wc|proc-uc|driver|vfio|remap|bare|iomap_memory|part|halves|ram|narrowed|buffer|apply|fault|fault_prot|fault_pmd|fault_pud|fault_remap|fault_moved|fault_mkwrite|mixed|mixed_mkwrite|insert_page|insert_pages|map_pages|page_mkwrite|mixed_pages|export|stack|stack_prepare|simple_ioremap|refuse|populate|locked|maymove|fixed|dontunmap|keep_cows|keyed|move|p2pdma|killed|node0)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabOption_arguments4 pfnlabOption
syntax match pfnlabMode_arguments3 "\v\C%(wb|wc|uc-|uc|wt|wp|asis)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabMode_arguments3 pfnlabMode
syntax match pfnlabKeyword_arguments2 "\v\C%(at|bytes|byte)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInArguments skipwhite
highlight default link pfnlabKeyword_arguments2 pfnlabKeyword
syntax match pfnlabKeyword_arguments1 "\v\C%(over)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInOperand skipwhite
highlight default link pfnlabKeyword_arguments1 pfnlabKeyword
syntax match pfnlabOption_arguments0 "\v\C%(shared|private)%([A-Za-z0-9_-])@!" contained nextgroup=@pfnlabInProtection skipwhite
highlight default link pfnlabOption_arguments0 pfnlabOption

highlight default link pfnlabKeyword Statement
highlight default link pfnlabOperation Function
highlight default link pfnlabTask Label
highlight default link pfnlabName Identifier
highlight default link pfnlabBuiltin Special
highlight default link pfnlabFunction PreProc
highlight default link pfnlabMode Constant
highlight default link pfnlabOption StorageClass
highlight default link pfnlabNumber Number
highlight default link pfnlabUnit Type
highlight default link pfnlabText String
highlight default link pfnlabMark Delimiter
highlight default link pfnlabComment Comment
highlight default link pfnlabError Error

syntax sync minlines=1
let b:current_syntax = "pfnlab"
