/* SPDX-License-Identifier: BSD-3-Clause */
/* Removes what there is of a container that does not come to be, or of which no engine knows. */
#ifndef CHAOS_OCI_UNDO_H
#define CHAOS_OCI_UNDO_H

#include <stdbool.h>

#include "oci/state.h"

/* `vm`: it may have a VM of its own. Its folder is removed last: while the VM is there, "delete"
 * finds it. */
int undo_container(struct container *c, const struct oci *o, bool vm, struct err *e);

/* The same after the error in `e`, which then says as well what is left and how it is removed. */
void undo_create(struct container *c, const struct oci *o, bool vm, struct err *e);

#endif
