/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors after which what the last daemon left is looked at once more. */
#ifndef CHAOS_VM_ADOPT_LATER_H
#define CHAOS_VM_ADOPT_LATER_H

#include <errno.h>
#include <stdbool.h>

/* The error is of dom0's lack of something at that moment, and does not tell whether what was asked
 * for is there. */
static inline bool adopt_later(int rc)
{
	return rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN || rc == -EINTR ||
	       rc == -ENOBUFS;
}

#endif
