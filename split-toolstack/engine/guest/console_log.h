/* SPDX-License-Identifier: BSD-3-Clause */
/* Console logs of VMs. */
#ifndef CHAOS_GUEST_CONSOLE_LOG_H
#define CHAOS_GUEST_CONSOLE_LOG_H

#include <stdint.h>

struct vm;

/* It lives again under a uuid of the history: its output goes on behind that. */
void console_log_go_on(struct vm *vm, const struct vm *old);
int console_log_write(struct vm *vm, const void *data, uint32_t len, uint32_t ring_cons);
/* A restarted VM has a fresh ring, a restored one its own, read up to there; the log goes on. */
void console_log_new_ring(struct vm *vm, uint32_t ring_cons);
int console_log_open_old(struct vm *vm); /* open is fine; -ENOENT: nothing was ever written */
/* Takes the numbers of an old one; its file opens when it is read. */
void console_log_recall(struct vm *vm);
/* With the old log open: what it has and the ring still shows is not taken twice; what came while
 * it could not be written is lost. */
void console_log_adopt(struct vm *vm);
uint64_t console_log_end(const struct vm *vm); /* bytes that it has written, ever */
void console_log_close(struct vm *vm);
void console_log_delete(struct vm *vm);

#endif
