/* SPDX-License-Identifier: BSD-3-Clause */
/* What chaosd and the program chaos-stream share: how it is called, and its result. */
#ifndef CHAOS_BASE_XEN_STREAM_H
#define CHAOS_BASE_XEN_STREAM_H

#include "base/xen.h"

/* chaos-stream PARENT save|restore DOMID FRAMES STORE_PORT CONSOLE_PORT */
#define XEN_STREAM_ARGS 7
/* Its open files: the pipe, and the memory of the result, which is mapped shared. */
#define XEN_STREAM_PIPE	  0
#define XEN_STREAM_RESULT 1

struct xen_stream_verdict {
	int rc; /* -EINTR until it has ended by itself */
	struct xen_stream_result r;
};

#endif
