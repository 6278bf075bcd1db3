/* SPDX-License-Identifier: BSD-3-Clause */
/* The control channel of a VM: the guest's console output and words, and requests to it. */
#ifndef CHAOS_GUEST_CONTROL_H
#define CHAOS_GUEST_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "split-toolstack/engine/vm/parts.h"
struct engine;
struct noxs_guest_words;
struct vm;

/* Starts with the new control page at vm_map(vm), and binds the channel. On failure call
 * control_close(). */
int control_open(struct vm *vm, struct err *e);
/* The same with the page of an adopted VM. vm_listen() binds its channel; before that the VM is
 * unheard. */
void control_adopt(struct vm *vm);
/* Binds the channel and listens to its events. On failure nothing is changed. */
int vm_listen(struct vm *vm, struct err *e);
/* Like control_open(), with the control page of a saved guest. */
int control_resume(struct vm *vm, struct err *e);
/* The channel is bound already, to this port of dom0; control_close() unbinds it. */
void control_take_port(struct vm *vm, uint32_t port);
/* Xen has closed the guest's ports: dom0's end stays with the domain id, for the next guest.
 * Call it before control_close(). */
void control_keep_port(struct vm *vm);
/* Undoes all that; no effect if it is not open. */
void control_close(struct vm *vm);
/* Handles ring and words of one VM now. */
void vm_look(struct vm *vm);
/* Reads the guest's words; the channel must be open. */
void control_words(const struct vm *vm, struct noxs_guest_words *w);
/* Opens the gate of the guest, whose device page must be complete. */
int control_open_gate(struct vm *vm);
/* Sends request NOXS_REQ_* to the guest. */
int control_request(struct vm *vm, uint32_t request, struct err *e);
/* 0 if the guest says that it can be saved, or -EOPNOTSUPP; the channel must be open. */
int control_check_save(const struct vm *vm, struct err *e);
struct save_needs;
/* The CPU features that the guest may use. */
int control_needs(const struct vm *vm, struct save_needs *out, struct err *e);
/* Whether its drivers can continue with other devices, if it can be saved. */
bool control_can_devices(const struct vm *vm);
/* Whether a save has requested it to suspend, and it may still do so; clears that. */
bool control_suspend_was_asked(struct vm *vm);
void control_expect_suspend(struct vm *vm); /* a save of the last daemon has */
/* Whether it obeys NOXS_REQ_SUSPEND. */
bool control_can_suspend(const struct vm *vm);
/* true: reads all that the guest has written, and writes nothing into its pages from then on. */
void control_still(struct vm *vm, bool still);

bool control_is_open(const struct vm *vm);
bool control_is_unheard(const struct vm *vm);
/* The first VM whose channel is not bound; NULL: there is none. */
struct vm *control_first_unheard(const struct engine *en);

#endif
