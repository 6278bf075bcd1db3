/* SPDX-License-Identifier: BSD-3-Clause */
/* Questions to chaosd about the VM of a container, over a connection of their own. */
#ifndef CHAOS_OCI_VM_H
#define CHAOS_OCI_VM_H

#include "base/err.h"
#include "oci/bundle.h"
#include "split-toolstack/libchaos/chaos.h"

/* Sends one request over a connection of its own, and waits for the answer: 0, or -errno with the
 * reason in `e`. `r->error` is 0 then if it is not known whether chaosd has done it. */
int vm_call(const struct chaos_request *rq, struct chaos_reply *r, struct err *e);
/* Makes it: a unikernel paused, Linux running until its agent waits. `there`: it is or may be made,
 * also with an error. */
int vm_make(const struct plan *p, bool *there, struct err *e);
/* One request about it. -ESRCH: there is no such VM. */
int vm_ask(enum chaos_op op, uint32_t flags, const char *uuid, struct err *e);
/* Destroys it because of a signal, which is in *killed unless that fails; that there is none is no
 * error. */
int vm_kill(const char *uuid, int number, int *killed, struct err *e);
/* Ends it and its record; that there is none is no error. */
int vm_remove(const char *uuid, struct err *e);
int vm_info(const char *uuid, struct chaos_vm *out, struct err *e);

/* A disk more, as chaos.cfg(5) has it; without it: that it has none of that name is no error. */
int vm_attach(const char *uuid, const char *disk, struct err *e);
int vm_detach(const char *uuid, const char *vdev, uint32_t flags, struct err *e);

/* Changes what it has: keys of "chaos set", "key=text"; ends with NULL. */
int vm_set(const char *uuid, const char *const *set, struct err *e);

/* The exit status that a container's process would have had. */
int vm_exit_code(const struct chaos_vm *v);

#endif
