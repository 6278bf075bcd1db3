/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the body of each route that takes one, with a daemon that answers nothing. */
#include "split-toolstack/api/api.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const char openapi_json[] = "{}";
const size_t openapi_len = 2;

void backend_send(struct rq *rq, const struct chaos_request *cr)
{
	size_t n = 0;

	for (const char *const *s = cr->set; s && *s; s++)
		n += strlen(*s);
	for (const char *const *s = cr->ignore; s && *s; s++)
		n += strlen(*s);
	n += cr->text ? strlen(cr->text) : 0;
	n += cr->name ? strlen(cr->name) : 0;
	rq->status = n > SIZE_MAX / 2;
}

void move_begin(struct rq *rq, const char *path, bool stop)
{
	(void)rq;
	(void)stop;
	if (path[0] != '/')
		__builtin_trap();
}

void backend_stream(struct rq *rq, const struct chaos_request *cr)
{
	backend_send(rq, cr);
}

void backend_forget(struct rq *rq)
{
	(void)rq;
}

void rq_answer(struct rq *rq, unsigned int status)
{
	rq->status = status;
}

void rq_problem(struct rq *rq, int code, const char *fmt, ...)
{
	(void)fmt;
	rq->status = (unsigned int)code;
}

void rq_wake(struct rq *rq)
{
	(void)rq;
}

void rq_keep_warning(struct rq *rq, const struct chaos_reply *r)
{
	(void)rq;
	(void)r;
}

const char *rq_query(struct rq *rq, const char *key)
{
	(void)rq;
	(void)key;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct api a;

	if (size > BODY_MAX)
		return 0;
	for (size_t i = 0; i < nroute; i++) {
		struct rq rq = {.api = &a, .route = &routes[i], .upload = -1, .file = -1};

		if (strcmp(routes[i].method, "GET") == 0 || strcmp(routes[i].method, "DELETE") == 0)
			continue;
		rq.body = malloc(size + 1);
		if (!rq.body)
			abort();
		memcpy(rq.body, data, size);
		rq.body[size] = '\0';
		rq.body_len = size;
		routes[i].run(&rq);
		json_decref(rq.json);
		free(rq.text);
		free(rq.out);
		free(rq.body);
		if (rq.file >= 0)
			(void)close(rq.file);
	}
	return 0;
}
