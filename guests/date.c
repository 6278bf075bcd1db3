/* SPDX-License-Identifier: BSD-3-Clause */
/* Days since 1970 as a date of the Gregorian calendar. */
#include "date.h"

#include "kit/kit.h"

static const char *const day_names[] = {"Thursday", "Friday",  "Saturday", "Sunday",
					"Monday",   "Tuesday", "Wednesday"};
static const char *const month_names[] = {"January",   "February", "March",    "April",
					  "May",       "June",	   "July",     "August",
					  "September", "October",  "November", "December"};

static bool leap(uint64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint64_t days_of(uint64_t year, uint32_t month)
{
	if (month == 1)
		return leap(year) ? 29 : 28;
	return month == 3 || month == 5 || month == 8 || month == 10 ? 30 : 31;
}

static size_t print(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kit_format(to, size, fmt, ap);
	va_end(ap);
	return (size_t)n < size ? (size_t)n : size - 1;
}

size_t date_line(uint64_t seconds, char *to, size_t size)
{
	uint64_t days = seconds / 86400;
	const char *weekday = day_names[days % 7];
	uint32_t second = (uint32_t)(seconds % 86400);
	uint32_t month = 0;
	uint64_t year = 1970 + days / 146097 * 400; /* whole cycles of 400 years first */

	days %= 146097;
	while (days >= (leap(year) ? 366u : 365u))
		days -= leap(year++) ? 366 : 365;
	while (days >= days_of(year, month))
		days -= days_of(year, month++);
	return print(to, size, "%s, %s %lu, %lu %02u:%02u:%02u-UTC\r\n", weekday,
		     month_names[month], days + 1, year, second / 3600, second / 60 % 60,
		     second % 60);
}
