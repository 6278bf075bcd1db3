/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors after which an adoption is tried again. */
#ifndef CHAOS_VM_ADOPT_LATER_H
#define CHAOS_VM_ADOPT_LATER_H

#include <errno.h>
#include <stdbool.h>

/* dom0 lacked a resource: the error does not show that the object is gone. */
static inline bool adopt_later(int rc)
{
	return rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN || rc == -EINTR ||
	       rc == -ENOBUFS;
}

#endif
