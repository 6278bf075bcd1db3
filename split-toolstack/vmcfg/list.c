/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists of texts: what a configuration has more than once, and warnings. */
#include "split-toolstack/vmcfg/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int vmcfg_add(struct vmcfg_list *l, const char *text, size_t len)
{
	char **grown = realloc(l->item, (l->n + 1) * sizeof(char *));

	if (!grown)
		return -ENOMEM;
	l->item = grown;
	l->item[l->n] = strndup(text, len);
	if (!l->item[l->n])
		return -ENOMEM;
	l->n++;
	return 0;
}

int vmcfg_warning(struct vmcfg_list *l, const char *text, struct err *e)
{
	struct err clean; /* as messages of errors are */

	(void)err_set(&clean, EINVAL, "%s", text);
	return vmcfg_add(l, clean.msg, strlen(clean.msg)) < 0 ? err_set(e, ENOMEM, "out of memory")
							      : 0;
}

void vmcfg_list_clear(struct vmcfg_list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free(l->item[i]);
	free(l->item);
	*l = (struct vmcfg_list){0};
}
