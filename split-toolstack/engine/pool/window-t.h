/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages of a claimed shell that are still mapped: what its taker embeds. */
#ifndef CHAOS_POOL_WINDOW_T_H
#define CHAOS_POOL_WINDOW_T_H

struct dom;

struct window {
	struct window *next, *prev; /* of those that are unmapped when there is time */
	struct dom *dom;	    /* NULL: it is none of these */
};

#endif
