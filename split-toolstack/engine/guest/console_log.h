/* SPDX-License-Identifier: BSD-3-Clause */
/* Console logs of VMs. */
#ifndef CHAOS_GUEST_CONSOLE_LOG_H
#define CHAOS_GUEST_CONSOLE_LOG_H

#include <stdint.h>

struct vm;

/* The VM is made again with a uuid of the history: its output continues the old log. */
void console_log_go_on(struct vm *vm, const struct vm *old);
int console_log_write(struct vm *vm, const void *data, uint32_t len, uint32_t ring_cons);
/* The console ring has changed: a restarted VM has a new one, a restored VM its own, which was
 * read up to `ring_cons`; the log continues. */
void console_log_new_ring(struct vm *vm, uint32_t ring_cons);
int console_log_open_old(struct vm *vm); /* no effect if it is open; -ENOENT: there is no log */
/* Takes the positions of an existing log; its file is opened when it is read. */
void console_log_recall(struct vm *vm);
/* When an existing log is open: skips output in the ring that the log has already; output that
 * came while the log could not be written is lost. */
void console_log_adopt(struct vm *vm);
uint64_t console_log_end(const struct vm *vm); /* number of bytes written so far */
void console_log_close(struct vm *vm);
void console_log_delete(struct vm *vm);

#endif
