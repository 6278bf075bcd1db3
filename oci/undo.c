/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM that cannot be removed now keeps its container's folder, or nothing would name it. */
#include "oci/undo.h"

#include "oci/ahead.h"
#include "oci/pod.h"

int undo_container(struct container *c, const struct oci *o, bool vm, struct err *e)
{
	int rc = vm && !c->pod ? ahead_remove_vm(c, e) : 0;

	if (rc == 0 && c->pod)
		rc = pod_leave(c, o, e);
	return rc == 0 ? container_remove(c, o, e) : rc;
}

void undo_create(struct container *c, const struct oci *o, bool vm, struct err *e)
{
	struct err first = *e;
	struct err why = {0};

	if (undo_container(c, o, vm, &why) < 0)
		(void)err_set(
			e, first.code,
			"%s; it could not be removed: %s; \"chaos-oci delete --force %s\" does "
			"that",
			err_msg(&first), err_msg(&why), c->id);
}
