/* SPDX-License-Identifier: BSD-3-Clause */
/* Migrates a VM through a Unix socket of this host. */
#include "split-toolstack/api/api.h"

#include <errno.h>
#include <string.h>

void run_migrate(struct rq *rq)
{
	json_error_t je;
	json_t *body = json_loadb(rq->body ? rq->body : "", rq->body_len, 0, &je);
	const char *path = json_string_value(json_object_get(body, "unix"));
	const json_t *stop = json_object_get(body, "stop");

	if (!path || path[0] != '/' ||
	    strlen(path) != json_string_length(json_object_get(body, "unix")) ||
	    (stop && !json_is_boolean(stop)))
		rq_problem(rq, EINVAL,
			   "the body must be like {\"unix\":\"/run/proxy.sock\",\"stop\":false}");
	else
		move_begin(rq, path, json_is_true(stop));
	json_decref(body);
}
