/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel of a VM: the guest's console output and words, and what is said to it. */
#ifndef CHAOS_GUEST_CONTROL_H
#define CHAOS_GUEST_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/vm/parts.h"
struct engine;
struct noxs_guest_words;
struct vm;

/* Begins with the control page at vm_map(vm), which is fresh; binds the channel. On failure
 * control_close() follows. */
int control_open(struct vm *vm, struct err *e);
/* The same with a page that lived on without us. Its channel is bound by vm_listen(); until then
 * the VM is unheard. */
void control_adopt(struct vm *vm);
/* Binds the channel and hears of its events from then on. On failure it is as before. */
int vm_listen(struct vm *vm, struct err *e);
/* The same as control_open() with the page as the guest left it when it was saved. */
int control_resume(struct vm *vm, struct err *e);
/* Its channel is bound already, to this port of dom0's; it is control_close()'s then. */
void control_take_port(struct vm *vm, uint32_t port);
/* Xen has closed the guest's ports: dom0's end waits for it again, and is its id's. Before
 * control_close(). */
void control_keep_port(struct vm *vm);
/* Undoes all that; not open is fine. */
void control_close(struct vm *vm);
/* Looks at ring and words of one VM now. */
void vm_look(struct vm *vm);
/* Of one that is open: what the guest says. */
void control_words(const struct vm *vm, struct noxs_guest_words *w);
/* The guest, whose device page is complete, may leave its gate. */
int control_open_gate(struct vm *vm);
/* NOXS_REQ_*: the guest is asked for it. */
int control_request(struct vm *vm, uint32_t request, struct err *e);
/* Of one that is open: 0 when the guest says that it can be saved, or -EOPNOTSUPP. */
int control_check_save(const struct vm *vm, struct err *e);
struct save_needs;
/* What of its CPU it may use. */
int control_needs(const struct vm *vm, struct save_needs *out, struct err *e);
/* Its drivers can go on with other devices, when it can be saved. */
bool control_can_devices(const struct vm *vm);
/* A save has asked it to suspend, which it may still do; asked for once. */
bool control_suspend_was_asked(struct vm *vm);
void control_expect_suspend(struct vm *vm); /* by a save of the last daemon */
/* It obeys NOXS_REQ_SUSPEND. */
bool control_can_suspend(const struct vm *vm);
/* True: all it has said until now is taken, and nothing of ours writes into its pages from then on.
 */
void control_still(struct vm *vm, bool still);

bool control_is_open(const struct vm *vm);
bool control_is_unheard(const struct vm *vm);
/* NULL: all are heard. */
struct vm *control_first_unheard(const struct engine *en);

#endif
