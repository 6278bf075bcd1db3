/* SPDX-License-Identifier: BSD-3-Clause */
/* Console logs of VMs. */
#ifndef CHAOS_GUEST_CONSOLE_LOG_H
#define CHAOS_GUEST_CONSOLE_LOG_H

#include <stdint.h>

#include "split-toolstack/engine/guest/guest-t.h"

struct engine;
struct vm;

void console_log_init(struct console_log *l, const struct engine *en);
int console_log_write(struct vm *vm, const void *data, uint32_t len, uint32_t ring_cons);
/* A restarted VM has a fresh ring; the log goes on. */
void console_log_new_ring(struct vm *vm);
int console_log_open_old(struct vm *vm); /* -ENOENT: nothing was ever written */
/* With the old log open: what it has and the ring still shows is not taken twice; what came while
 * it could not be written is lost. */
void console_log_adopt(struct vm *vm);
void console_log_close(struct console_log *l);
void console_log_delete(struct vm *vm);

#endif
