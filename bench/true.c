/* SPDX-License-Identifier: BSD-3-Clause */
/* The static program whose fork+exec is the yardstick: does nothing. */
int main(void)
{
	return 0;
}
