/* SPDX-License-Identifier: BSD-3-Clause */
/* Console logs of VMs. */
#ifndef CHAOS_GUEST_CONSOLE_LOG_H
#define CHAOS_GUEST_CONSOLE_LOG_H

#include <stdint.h>

#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/vm/vm-t.h"

static inline void console_log_init(struct vm *vm)
{
	vm->guest.log = (struct console_log){.fd = -1,
					     .size = (uint64_t)vm->en->conf.console_log_kib * 1024};
}
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
void console_log_close(struct vm *vm);
void console_log_delete(struct vm *vm);

#endif
