# What clang 14 makes of the C source in debug-info.test.ts: clang -O1 -gdwarf-5 -S
	.text
	.file	"clang.c"
	.file	0 "/" "./clang.c" md5 0xc368543995b339812e4eaf31022c05bd
	.globl	push
	.p2align	4, 0x90
	.type	push,@function
push:
.Lfunc_begin0:
	.loc	0 13 0
	.cfi_startproc



	pushq	%rax
	.cfi_def_cfa_offset 16
	movq	%rsi, %rax
.Ltmp0:
	.loc	0 13 75 prologue_end
	movq	head(%rip), %rcx
	.loc	0 13 87 is_stmt 0
	movzbl	8(%rdi), %esi
.Ltmp1:

	andl	$7, %esi
	.loc	0 13 70
	movq	%rcx, %rdi
.Ltmp2:

	callq	*%rax
.Ltmp3:

	.loc	0 13 63
	popq	%rcx
	.cfi_def_cfa_offset 8
	retq
.Ltmp4:
.Lfunc_end0:
	.size	push, .Lfunc_end0-push
	.cfi_endproc

	.type	head,@object
	.bss
	.globl	head
	.p2align	3
head:
	.quad	0
	.size	head, 8

	.type	range,@object
	.globl	range
	.p2align	1
range:
	.zero	4
	.size	range, 4

	.type	state,@object
	.globl	state
	.p2align	2
state:
	.long	0
	.size	state, 4

	.section	.debug_loclists,"",@progbits
	.long	.Ldebug_list_header_end0-.Ldebug_list_header_start0
.Ldebug_list_header_start0:
	.short	5
	.byte	8
	.byte	0
	.long	2
.Lloclists_table_base0:
	.long	.Ldebug_loc0-.Lloclists_table_base0
	.long	.Ldebug_loc1-.Lloclists_table_base0
.Ldebug_loc0:
	.byte	4
	.uleb128 .Lfunc_begin0-.Lfunc_begin0
	.uleb128 .Ltmp2-.Lfunc_begin0
	.byte	1
	.byte	85
	.byte	4
	.uleb128 .Ltmp2-.Lfunc_begin0
	.uleb128 .Lfunc_end0-.Lfunc_begin0
	.byte	4
	.byte	163
	.byte	1
	.byte	85
	.byte	159
	.byte	0
.Ldebug_loc1:
	.byte	4
	.uleb128 .Lfunc_begin0-.Lfunc_begin0
	.uleb128 .Ltmp1-.Lfunc_begin0
	.byte	1
	.byte	84
	.byte	4
	.uleb128 .Ltmp1-.Lfunc_begin0
	.uleb128 .Ltmp3-.Lfunc_begin0
	.byte	1
	.byte	80
	.byte	4
	.uleb128 .Ltmp3-.Lfunc_begin0
	.uleb128 .Lfunc_end0-.Lfunc_begin0
	.byte	4
	.byte	163
	.byte	1
	.byte	84
	.byte	159
	.byte	0
.Ldebug_list_header_end0:
	.section	.debug_abbrev,"",@progbits
	.byte	1
	.byte	17
	.byte	1
	.byte	37
	.byte	37
	.byte	19
	.byte	5
	.byte	3
	.byte	37
	.byte	114
	.byte	23
	.byte	16
	.byte	23
	.byte	27
	.byte	37
	.byte	17
	.byte	27
	.byte	18
	.byte	6
	.byte	115
	.byte	23
	.ascii	"\214\001"
	.byte	23
	.byte	0
	.byte	0
	.byte	2
	.byte	52
	.byte	0
	.byte	3
	.byte	37
	.byte	73
	.byte	19
	.byte	63
	.byte	25
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	2
	.byte	24
	.byte	0
	.byte	0
	.byte	3
	.byte	15
	.byte	0
	.byte	73
	.byte	19
	.byte	0
	.byte	0
	.byte	4
	.byte	19
	.byte	1
	.byte	3
	.byte	37
	.byte	11
	.byte	11
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	0
	.byte	0
	.byte	5
	.byte	13
	.byte	0
	.byte	3
	.byte	37
	.byte	73
	.byte	19
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	56
	.byte	11
	.byte	0
	.byte	0
	.byte	6
	.byte	13
	.byte	0
	.byte	3
	.byte	37
	.byte	73
	.byte	19
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	11
	.byte	11
	.byte	13
	.byte	11
	.byte	12
	.byte	11
	.byte	56
	.byte	11
	.byte	0
	.byte	0
	.byte	7
	.byte	13
	.byte	0
	.byte	73
	.byte	19
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	56
	.byte	11
	.byte	0
	.byte	0
	.byte	8
	.byte	23
	.byte	1
	.byte	11
	.byte	11
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	0
	.byte	0
	.byte	9
	.byte	36
	.byte	0
	.byte	3
	.byte	37
	.byte	62
	.byte	11
	.byte	11
	.byte	11
	.byte	0
	.byte	0
	.byte	10
	.byte	1
	.byte	1
	.byte	73
	.byte	19
	.byte	0
	.byte	0
	.byte	11
	.byte	33
	.byte	0
	.byte	73
	.byte	19
	.byte	55
	.byte	11
	.byte	0
	.byte	0
	.byte	12
	.byte	36
	.byte	0
	.byte	3
	.byte	37
	.byte	11
	.byte	11
	.byte	62
	.byte	11
	.byte	0
	.byte	0
	.byte	13
	.byte	22
	.byte	0
	.byte	73
	.byte	19
	.byte	3
	.byte	37
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	0
	.byte	0
	.byte	14
	.byte	19
	.byte	1
	.byte	11
	.byte	11
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	0
	.byte	0
	.byte	15
	.byte	4
	.byte	1
	.byte	73
	.byte	19
	.byte	3
	.byte	37
	.byte	11
	.byte	11
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	0
	.byte	0
	.byte	16
	.byte	40
	.byte	0
	.byte	3
	.byte	37
	.byte	28
	.byte	13
	.byte	0
	.byte	0
	.byte	17
	.byte	46
	.byte	1
	.byte	17
	.byte	27
	.byte	18
	.byte	6
	.byte	64
	.byte	24
	.byte	122
	.byte	25
	.byte	3
	.byte	37
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	39
	.byte	25
	.byte	73
	.byte	19
	.byte	63
	.byte	25
	.byte	0
	.byte	0
	.byte	18
	.byte	5
	.byte	0
	.byte	2
	.byte	34
	.byte	3
	.byte	37
	.byte	58
	.byte	11
	.byte	59
	.byte	11
	.byte	73
	.byte	19
	.byte	0
	.byte	0
	.byte	19
	.byte	72
	.byte	0
	.ascii	"\203\001"
	.byte	24
	.byte	125
	.byte	27
	.byte	0
	.byte	0
	.byte	20
	.byte	38
	.byte	0
	.byte	73
	.byte	19
	.byte	0
	.byte	0
	.byte	21
	.byte	21
	.byte	1
	.byte	73
	.byte	19
	.byte	39
	.byte	25
	.byte	0
	.byte	0
	.byte	22
	.byte	5
	.byte	0
	.byte	73
	.byte	19
	.byte	0
	.byte	0
	.byte	23
	.byte	15
	.byte	0
	.byte	0
	.byte	0
	.byte	0
	.section	.debug_info,"",@progbits
.Lcu_begin0:
	.long	.Ldebug_info_end0-.Ldebug_info_start0
.Ldebug_info_start0:
	.short	5
	.byte	1
	.byte	8
	.long	.debug_abbrev
	.byte	1
	.byte	0
	.short	12
	.byte	1
	.long	.Lstr_offsets_base0
	.long	.Lline_table_start0
	.byte	2
	.byte	3
	.long	.Lfunc_end0-.Lfunc_begin0
	.long	.Laddr_table_base0
	.long	.Lloclists_table_base0
	.byte	2
	.byte	3
	.long	50

	.byte	0
	.byte	10
	.byte	2
	.byte	161
	.byte	0
	.byte	3
	.long	55
	.byte	4
	.byte	16
	.byte	64
	.byte	0
	.byte	1
	.byte	5
	.byte	4
	.long	50
	.byte	0
	.byte	2
	.byte	0
	.byte	6
	.byte	5
	.long	143
	.byte	0
	.byte	3
	.byte	4
	.byte	3
	.byte	29
	.byte	8
	.byte	6
	.byte	7
	.long	143
	.byte	0
	.byte	3
	.byte	4
	.byte	5
	.byte	24
	.byte	8
	.byte	7
	.long	101
	.byte	0
	.byte	4
	.byte	16
	.byte	8
	.byte	8
	.byte	0
	.byte	4
	.byte	5
	.byte	8
	.long	147
	.byte	0
	.byte	4
	.byte	0
	.byte	5
	.byte	10
	.long	151
	.byte	0
	.byte	4
	.byte	0
	.byte	0
	.byte	5
	.byte	12
	.long	155
	.byte	0
	.byte	5
	.byte	24
	.byte	5
	.byte	15
	.long	175
	.byte	0
	.byte	6
	.byte	40
	.byte	0
	.byte	9
	.byte	6
	.byte	7
	.byte	4
	.byte	9
	.byte	9
	.byte	5
	.byte	4
	.byte	9
	.byte	11
	.byte	5
	.byte	8
	.byte	10
	.long	167
	.byte	11
	.long	171
	.byte	16
	.byte	0
	.byte	9
	.byte	13
	.byte	6
	.byte	1
	.byte	12
	.byte	14
	.byte	8
	.byte	7
	.byte	10
	.long	147
	.byte	11
	.long	171
	.byte	2
	.byte	11
	.long	171
	.byte	3
	.byte	0
	.byte	2
	.byte	17
	.long	204

	.byte	0
	.byte	11
	.byte	2
	.byte	161
	.byte	1
	.byte	13
	.long	212
	.byte	21
	.byte	0
	.byte	8
	.byte	14
	.byte	4
	.byte	0
	.byte	8
	.byte	5
	.byte	18
	.long	235
	.byte	0
	.byte	8
	.byte	0
	.byte	5
	.byte	20
	.long	235
	.byte	0
	.byte	8
	.byte	2
	.byte	0
	.byte	9
	.byte	19
	.byte	5
	.byte	2
	.byte	2
	.byte	22
	.long	250

	.byte	0
	.byte	12
	.byte	2
	.byte	161
	.byte	2
	.byte	15
	.long	147
	.byte	22
	.byte	4
	.byte	0
	.byte	9
	.byte	16
	.byte	23
	.byte	0
	.byte	16
	.byte	24
	.byte	123
	.byte	16
	.byte	25
	.ascii	"\377\377\377\377\007"
	.byte	0
	.byte	17
	.byte	3
	.long	.Lfunc_end0-.Lfunc_begin0
	.byte	1
	.byte	87

	.byte	26
	.byte	0
	.byte	13

	.long	147

	.byte	18
	.byte	0
	.byte	16
	.byte	0
	.byte	13
	.long	311
	.byte	18
	.byte	1
	.byte	27
	.byte	0
	.byte	13
	.long	321
	.byte	19
	.byte	1
	.byte	80
	.byte	4
	.byte	0
	.byte	3
	.long	316
	.byte	20
	.long	55
	.byte	3
	.long	326
	.byte	21
	.long	147

	.byte	22
	.long	342
	.byte	22
	.long	147
	.byte	0
	.byte	23
	.byte	0
.Ldebug_info_end0:
	.section	.debug_str_offsets,"",@progbits
	.long	116
	.short	5
	.short	0
.Lstr_offsets_base0:
	.section	.debug_str,"MS",@progbits,1
.Linfo_string0:
	.asciz	"Debian clang version 14.0.6"
.Linfo_string1:
	.asciz	"./clang.c"
.Linfo_string2:
	.asciz	"/"
.Linfo_string3:
	.asciz	"head"
.Linfo_string4:
	.asciz	"next"
.Linfo_string5:
	.asciz	"open"
.Linfo_string6:
	.asciz	"unsigned int"
.Linfo_string7:
	.asciz	"kind"
.Linfo_string8:
	.asciz	"number"
.Linfo_string9:
	.asciz	"int"
.Linfo_string10:
	.asciz	"wide"
.Linfo_string11:
	.asciz	"long"
.Linfo_string12:
	.asciz	"name"
.Linfo_string13:
	.asciz	"char"
.Linfo_string14:
	.asciz	"__ARRAY_SIZE_TYPE__"
.Linfo_string15:
	.asciz	"table"
.Linfo_string16:
	.asciz	"node"
.Linfo_string17:
	.asciz	"range"
.Linfo_string18:
	.asciz	"low"
.Linfo_string19:
	.asciz	"short"
.Linfo_string20:
	.asciz	"high"
.Linfo_string21:
	.asciz	"range_t"
.Linfo_string22:
	.asciz	"state"
.Linfo_string23:
	.asciz	"IDLE"
.Linfo_string24:
	.asciz	"READING"
.Linfo_string25:
	.asciz	"DONE"
.Linfo_string26:
	.asciz	"push"
.Linfo_string27:
	.asciz	"call"
	.section	.debug_str_offsets,"",@progbits
	.long	.Linfo_string0
	.long	.Linfo_string1
	.long	.Linfo_string2
	.long	.Linfo_string3
	.long	.Linfo_string4
	.long	.Linfo_string5
	.long	.Linfo_string6
	.long	.Linfo_string7
	.long	.Linfo_string8
	.long	.Linfo_string9
	.long	.Linfo_string10
	.long	.Linfo_string11
	.long	.Linfo_string12
	.long	.Linfo_string13
	.long	.Linfo_string14
	.long	.Linfo_string15
	.long	.Linfo_string16
	.long	.Linfo_string17
	.long	.Linfo_string18
	.long	.Linfo_string19
	.long	.Linfo_string20
	.long	.Linfo_string21
	.long	.Linfo_string22
	.long	.Linfo_string23
	.long	.Linfo_string24
	.long	.Linfo_string25
	.long	.Linfo_string26
	.long	.Linfo_string27
	.section	.debug_addr,"",@progbits
	.long	.Ldebug_addr_end0-.Ldebug_addr_start0
.Ldebug_addr_start0:
	.short	5
	.byte	8
	.byte	0
.Laddr_table_base0:
	.quad	head
	.quad	range
	.quad	state
	.quad	.Lfunc_begin0
	.quad	.Ltmp3
.Ldebug_addr_end0:
	.ident	"Debian clang version 14.0.6"
	.section	".note.GNU-stack","",@progbits
	.section	.debug_line,"",@progbits
.Lline_table_start0:
