/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Marks around the system calls of an operation, for the plugin that counts blocks (`vm/blocks.c`): instructions
 * without an effect, `nopl DISPLACEMENT(%rax)`, whose displacement is the mark.
 */
#define OPENING_MARK 0x0f, 0x1f, 0x80, 0x70, 0x66, 0x6e, 0x5b
#define CLOSING_MARK 0x0f, 0x1f, 0x80, 0x70, 0x66, 0x6e, 0x5d
